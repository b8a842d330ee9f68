import { RequestStats } from "@sluice/core";
import { describe, expect, test } from "vitest";
import { readVectors } from "../support/vectors.ts";

interface Event {
  atSeconds: number;
  type: "in" | "out" | "proxied-in" | "proxied-out" | "report";
  report?: {
    AverageConcurrency: number;
    AverageProxiedConcurrency: number;
    RequestCount: number;
    ProxiedRequestCount: number;
  };
}

const lists = readVectors("request-stats.json") as Event[][];

function play(stats: RequestStats, event: Event): void {
  const nowMs = event.atSeconds * 1000;
  const isProxied = event.type.startsWith("proxied-");
  if (event.type.endsWith("in")) stats.requestIn(nowMs, isProxied);
  else if (event.type.endsWith("out")) stats.requestOut(nowMs, isProxied);
}

describe("request stats give Knative's report each second", () => {
  test.each(lists.map((events, index) => ({ events, index })))("event list $index", ({ events }) => {
    const stats = new RequestStats(0);
    for (const event of events) {
      play(stats, event);
      if (event.report === undefined) continue;
      const report = stats.report(event.atSeconds * 1000);
      expect(report.averageConcurrency).toBeCloseTo(event.report.AverageConcurrency, 6);
      expect(report.averageProxiedConcurrency).toBeCloseTo(event.report.AverageProxiedConcurrency, 6);
      expect(report.requestCount).toBe(event.report.RequestCount);
      expect(report.proxiedRequestCount).toBe(event.report.ProxiedRequestCount);
    }
  });
});

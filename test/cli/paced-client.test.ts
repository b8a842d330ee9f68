import { createServer } from "node:http";
import { once } from "node:events";
import { expect, test } from "vitest";
import { runLoad } from "../../packages/cli/src/load-run.ts";
import { decideNextSlotMs } from "../../packages/cli/src/paced-client.ts";

test.each([
  { name: "in time: the next slot", slotMs: 100, nowMs: 120, expected: 140 },
  { name: "late by less than a slot: catches up", slotMs: 100, nowMs: 170, expected: 140 },
  { name: "late by many slots: forgets all but one", slotMs: 100, nowMs: 1000, expected: 960 },
])("when a client sends next, $name", ({ slotMs, nowMs, expected }) => {
  expect(decideNextSlotMs(slotMs, 40, nowMs)).toBe(expected);
});

test("a paced load is spread evenly: no tenth of a second has a burst", async () => {
  const arrivalsMs: number[] = [];
  const hosts = new Set<string | undefined>();
  const server = createServer((request, response) => {
    arrivalsMs.push(performance.now());
    hosts.add(request.headers.host);
    response.end("ok");
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  try {
    const result = await runLoad({
      url: `http://127.0.0.1:${port}/`,
      host: "hello.example.com",
      clients: 10,
      durationMs: 2000,
      rate: 200,
      timeoutMs: 10_000,
    });
    expect(result.statuses).toEqual({ "200": result.latenciesMs.length });
    expect(result.errors).toBe(0);
  } finally {
    server.close();
  }
  expect([...hosts]).toEqual(["hello.example.com"]);
  // 2 s at 200/s; autocannon's clock ends a load up to a sampling period late.
  expect(arrivalsMs.length).toBeGreaterThan(300);
  const startMs = arrivalsMs[0] ?? 0;
  const tenths = Map.groupBy(arrivalsMs, (atMs) => Math.floor((atMs - startMs) / 100));
  // autocannon's own rate would send 200 requests in the first tenth of each second.
  expect(Math.max(...[...tenths.values()].map((arrivals) => arrivals.length))).toBeLessThan(60);
});

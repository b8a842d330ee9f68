import { feedObjectSchema, toFeedKey, type FeedObject } from "@sluice/core";
import * as v from "valibot";
import { describe, expect, test } from "vitest";

const revision = {
  kind: "revision",
  namespace: "default",
  name: "hello-00001",
  service: "hello",
  containerConcurrency: 0,
  protocol: "http1",
  timeouts: { request: 300, responseStart: 0, idle: 0 },
  annotations: { "autoscaling.knative.dev/target": "10" },
  readiness: { probe: "tcp", hasStartupProbe: false },
  reachable: true,
  createdAt: "2026-11-23T10:00:00.000Z",
  applied: { replicas: 0, mode: "proxy", modeSince: "2026-11-23T10:00:00.000Z" },
};
const pod = {
  kind: "pod",
  namespace: "default",
  revision: "hello-00001",
  name: "hello-00001-a",
  address: "127.1.0.1",
  ports: { main: 8012, stats: 9090, metrics: 9091, admin: 8022 },
  ready: false,
  terminating: false,
  startedAt: "2026-11-23T10:00:00.000Z",
};

describe("feed objects", () => {
  test("are read as they are", () => {
    expect(v.parse(feedObjectSchema, revision)).toEqual(revision);
    expect(v.parse(feedObjectSchema, pod)).toEqual(pod);
  });

  test("lose fields that this version does not know, so that a newer platform can talk to an older reader", () => {
    expect(v.parse(feedObjectSchema, { ...pod, zone: "a" })).toEqual(pod);
  });

  test.each([
    ["a port beyond 65535", { ...pod, ports: { ...pod.ports, main: 65_536 } }],
    ["a negative limit", { ...revision, containerConcurrency: -1 }],
    ["an unknown kind", { ...pod, kind: "node" }],
    ["a time that is none", { ...pod, startedAt: "yesterday" }],
    ["half a revision", { ...revision, applied: undefined }],
  ])("with %s are refused", (_, object) => {
    expect(v.safeParse(feedObjectSchema, object).success).toBe(false);
  });

  test.each([
    [revision, "revision/default/hello-00001"],
    [{ kind: "activator", name: "activator-0", address: "127.0.0.1", ports: {} }, "activator/activator-0"],
  ])("have one key each", (object, key) => {
    expect(toFeedKey(object as FeedObject)).toBe(key);
  });
});

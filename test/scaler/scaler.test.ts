import { encodeStat, feedObjectSchema } from "@sluice/core";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import * as v from "valibot";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { toStatus, type FakeObject } from "../support/fake-kubernetes.ts";
import {
  paths,
  ScalerHarness,
  toActivator,
  toDecision,
  toDeployment,
  toPod,
  toReplicaSet,
  toRivalSlice,
  toService,
} from "../support/scaler-harness.ts";
import { badManifests } from "../support/bad-manifests.ts";
import { waitUntil } from "../support/wait-until.ts";
import { parse } from "yaml";

let harness: ScalerHarness;
beforeEach(async () => {
  harness = new ScalerHarness();
  await harness.start();
});
afterEach(() => harness.stop());

function putRevision(name: string, more: Partial<FakeObject> = {}): void {
  harness.api.put(paths.deployments, toDeployment(name, more));
  harness.api.put(paths.replicaSets, toReplicaSet(name));
}

describe("the feed", () => {
  test("answers 503 until every kind was listed once", async () => {
    putRevision("hello");
    let held = true;
    harness.api.fault = (request) =>
      held && request.path === paths.services
        ? { status: 500, body: toStatus(500, "InternalError", "no") }
        : undefined;
    const scaler = await harness.startScaler();
    await waitUntil("a refused list", () => harness.api.count("GET", paths.services) > 0);
    expect(await harness.readFeed(scaler)).toBeUndefined();
    held = false;
    expect(await harness.waitForFeed(scaler, "revision", "hello")).toMatchObject({ service: "hello" });
  });

  test("has services, revisions, members, and pods by owner chain, not-ready ones included", async () => {
    putRevision("hello");
    harness.api.put(paths.deployments, { metadata: { name: "other", namespace: "default" }, spec: {} });
    harness.api.put(paths.pods, toPod("hello", "hello-1", { address: "10.0.0.1" }));
    harness.api.put(paths.pods, toPod("hello", "forged", { address: "10.0.0.2", owner: "set-unknown" }));
    harness.api.put(paths.pods, toPod("hello", "starting"));
    harness.api.put(paths.pods, toActivator("activator-0", "10.0.1.1"));
    const scaler = await harness.startScaler({ SLUICE_DOMAINS: "apps.example.org" });
    await harness.waitForFeed(scaler, "pod", "hello-1");
    const feed = (await harness.readFeed(scaler)) ?? [];
    for (const object of feed) expect(v.safeParse(feedObjectSchema, object).success).toBe(true);
    expect(feed.map((object) => `${object.kind} ${object.name}`).toSorted()).toEqual([
      "activator activator-0",
      "pod hello-1",
      "revision hello",
      "service hello",
    ]);
    expect(feed.find((object) => object.kind === "service")?.hosts[0]?.host).toBe(
      "hello.default.apps.example.org",
    );
    expect(feed.find((object) => object.kind === "pod")).toMatchObject({
      ready: false,
      address: "10.0.0.1",
      ports: { main: 8012, stats: 9090, metrics: 9091, admin: 8022 },
    });
    expect(feed.find((object) => object.kind === "revision")).toMatchObject({ reachable: true });
    harness.api.put(paths.pods, toPod("hello", "hello-1", { address: "10.0.0.1", isReady: true }));
    await harness.waitForFeed(scaler, "pod", "hello-1", (pod) => pod.ready);
    harness.api.remove(paths.pods, "default", "hello-1");
    await waitUntil("the pod to go", async () =>
      (await harness.readFeed(scaler))?.every((object) => object.kind !== "pod"),
    );
  });

  test.each([
    "127.0.0.1",
    "169.254.169.254",
    "::1",
    "fe80::1",
    "::ffff:127.0.0.1",
    "0.0.0.0",
    "100.100.100.200",
  ])("never gives %s as a pod's address", async (address) => {
    putRevision("hello");
    harness.api.put(paths.pods, toPod("hello", "bad", { address }));
    harness.api.put(paths.pods, toPod("hello", "good", { address: "10.0.0.1" }));
    const scaler = await harness.startScaler();
    await harness.waitForFeed(scaler, "pod", "good");
    expect((await harness.readFeed(scaler))?.some((object) => object.name === "bad")).toBe(false);
  });

  test("says why a revision's pods do not start", async () => {
    putRevision("hello");
    const waiting = { reason: "ImagePullBackOff", message: "no such image" };
    harness.api.put(
      paths.pods,
      toPod("hello", "hello-1", {
        address: "10.0.0.1",
        status: { containerStatuses: [{ name: "app", state: { waiting } }] },
      }),
    );
    const scaler = await harness.startScaler();
    const revision = await harness.waitForFeed(
      scaler,
      "revision",
      "hello",
      (object) => object.failure !== undefined,
    );
    expect(revision.failure).toEqual({ reason: "ImagePullBackOff", message: "container app: no such image" });
  });

  test("splits a service over revisions as its Service says", async () => {
    putRevision("hello-00001", {
      metadata: { name: "hello-00001", labels: { "sluice.dev/service": "hello" } },
    });
    putRevision("hello-00002", {
      metadata: { name: "hello-00002", labels: { "sluice.dev/service": "hello" } },
    });
    const traffic = [
      { revision: "hello-00002", percent: 100 },
      { revision: "hello-00001", percent: 0, tag: "old" },
    ];
    harness.api.put(
      paths.services,
      toService("hello", {
        metadata: {
          name: "hello",
          labels: { "sluice.dev/service": "hello" },
          annotations: { "sluice.dev/traffic": JSON.stringify(traffic) },
        },
      }),
    );
    const scaler = await harness.startScaler();
    const service = await harness.waitForFeed(scaler, "service", "hello");
    expect(service.traffic).toEqual(traffic);
    expect(service.hosts).toContainEqual({
      host: "old-hello.default.example.com",
      tag: "old",
      visibility: "public",
    });
    await harness.waitForFeed(scaler, "revision", "hello-00001", (revision) => revision.reachable);
  });

  test("keeps the last good revision of a Deployment that is refused after an edit, and says what is wrong", async () => {
    putRevision("hello");
    const scaler = await harness.startScaler();
    await harness.waitForFeed(scaler, "revision", "hello");
    const bad = { "sluice.dev/container-concurrency": "-5" };
    putRevision("hello", { metadata: { name: "hello", annotations: bad } });
    const event = await harness.waitForEvent("Refused");
    expect(event["message"]).toBe(
      'Deployment default/hello: metadata.annotations[sluice.dev/container-concurrency]: must be a whole number from 0 to 1000 (found "-5")',
    );
    expect(event).toMatchObject({ involvedObject: { kind: "Deployment", name: "hello" }, type: "Warning" });
    expect(await harness.waitForFeed(scaler, "revision", "hello")).toMatchObject({ containerConcurrency: 0 });
  });
});

describe("a Deployment whose pods have no sidecar", () => {
  const bare = {
    spec: {
      replicas: 3,
      template: {
        metadata: { labels: { app: "hello" } },
        spec: {
          containers: [{ name: "app", image: "app", ports: [{ containerPort: 3000 }] }],
        },
      },
    },
  };

  test("is not scaled, and that is said: its load would not be seen", async () => {
    putRevision("hello", bare);
    putRevision("other");
    const scaler = await harness.startScaler();
    await harness.waitForFeed(scaler, "revision", "other");
    harness.decide(toDecision("hello", 0));
    expect((await harness.waitForEvent("Refused"))["message"]).toBe(
      'Deployment default/hello: spec.template.metadata.labels[sluice.dev/inject]: must be "true", or its pods have no sidecar and it cannot be scaled; sluice inject sets it',
    );
    harness.decide(toDecision("other", 2));
    await harness.waitForReplicas("other", 2);
    expect(harness.replicasOf("hello")).toBe(3);
    expect((await harness.readFeed(scaler))?.some((object) => object.name === "hello")).toBe(false);
  });

  test.each([
    ["gave the sidecar back", {}],
    ["opted out", { "sluice.dev/enabled": "false" }],
  ])(
    "that %s keeps its number, and its requests as long as a pod still has one; then no trace is left",
    async (_what, annotations) => {
      putRevision("hello");
      harness.api.put(paths.pods, toPod("hello", "hello-1", { address: "10.0.0.1", isReady: true }));
      const scaler = await harness.startScaler();
      await harness.waitForFeed(scaler, "pod", "hello-1");
      harness.decide(toDecision("hello", 2));
      await harness.waitForReplicas("hello", 2);
      const marks = (): string[] =>
        Object.keys(harness.annotationsOf(paths.deployments, "hello")).filter((name) =>
          ["sluice.dev/applied", "sluice.dev/status"].includes(name),
        );
      await waitUntil("what was applied", () => marks().length === 2);
      const kept = harness.annotationsOf(paths.deployments, "hello");
      putRevision("hello", {
        ...bare,
        metadata: { name: "hello", annotations: { ...kept, ...annotations } },
      });
      putRevision("other");
      harness.decide(toDecision("hello", 0));
      harness.decide(toDecision("other", 1));
      await harness.waitForReplicas("other", 1);
      expect(harness.replicasOf("hello")).toBe(3);
      const namesOf = async (): Promise<string[]> =>
        ((await harness.readFeed(scaler)) ?? []).map(({ kind, name }) => `${kind} ${name}`);
      expect(await namesOf()).toEqual(
        expect.arrayContaining(["service hello", "revision hello", "pod hello-1"]),
      );
      const last = toPod("hello", "hello-1", { address: "10.0.0.1" });
      const deletionTimestamp = "2026-11-23T10:00:30Z";
      harness.api.put(paths.pods, { ...last, metadata: { ...last.metadata, deletionTimestamp } });
      await waitUntil("nothing of it", async () => !(await namesOf()).some((name) => name.includes("hello")));
      await waitUntil("no trace", () => marks().length === 0);
      expect(harness.replicasOf("hello")).toBe(3);
    },
  );

  test("is freed of what a scaler said on it, whoever writes next", async () => {
    const applied = {
      "sluice.dev/enabled": "false",
      "sluice.dev/applied": "{}",
      "sluice.dev/status": "2 pods wanted",
    };
    putRevision("hello", { metadata: { name: "hello", annotations: applied } });
    await harness.startScaler();
    await waitUntil("no trace", () => {
      const left = harness.annotationsOf(paths.deployments, "hello");
      return left["sluice.dev/applied"] === undefined && left["sluice.dev/status"] === undefined;
    });
    expect(harness.annotationsOf(paths.deployments, "hello")).toEqual({ "sluice.dev/enabled": "false" });
  });
});

describe("decisions", () => {
  test("about a Deployment that is gone are not applied to the next one of its name", async () => {
    putRevision("hello", { spec: { replicas: 1 } });
    const scaler = await harness.startScaler();
    await waitUntil("the lease", () => scaler.isWriter());
    harness.decide(toDecision("hello", 0));
    await harness.waitForReplicas("hello", 0);
    harness.api.remove(paths.deployments, "default", "hello");
    putRevision("hello", { spec: { replicas: 3 }, metadata: { name: "hello", uid: "deployment-again" } });
    putRevision("other");
    harness.decide(toDecision("other", 2));
    await harness.waitForReplicas("other", 2);
    expect(harness.replicasOf("hello")).toBe(3);
    harness.decide(toDecision("hello", 1, { decidedAt: "2026-11-23T10:00:09.000Z" }));
    await harness.waitForReplicas("hello", 1);
  });

  test("are written to the scale subresource, once, and only when the number differs", async () => {
    putRevision("hello");
    const scaler = await harness.startScaler();
    await waitUntil("the lease", () => scaler.isWriter());
    harness.decide(toDecision("hello", 5));
    await harness.waitForReplicas("hello", 5);
    const revision = await harness.waitForFeed(
      scaler,
      "revision",
      "hello",
      (r) => r.applied.decidedAt !== undefined,
    );
    expect(revision.applied).toMatchObject({
      replicas: 5,
      mode: "proxy",
      decidedAt: "2026-11-23T10:00:00.000Z",
    });
    harness.decide(toDecision("hello", 5, { inFlight: 3, decidedAt: "2026-11-23T10:00:02.000Z" }));
    harness.decide(toDecision("hello", 0, { reason: "idle for 60s", decidedAt: "2026-11-23T10:00:04.000Z" }));
    await harness.waitForReplicas("hello", 0);
    expect(harness.api.count("PATCH", "/scale")).toBe(2);
    const events = await waitUntil("both events", () => {
      const found = harness.api.list(paths.events).map((event) => event["message"]);
      return found.length === 2 && found;
    });
    expect(events).toEqual([
      "Scaled from 0 to 5 pods. stable: asks for 5",
      "Scaled from 5 to 0 pods. idle for 60s",
    ]);
    const status = await waitUntil("the status for people", () => {
      const text = harness.annotationsOf(paths.deployments, "hello")["sluice.dev/status"];
      return text?.startsWith("0") === true && text;
    });
    expect(status).toBe("0 pods wanted, activators are in the path: idle for 60s");
    // What the scaler writes for itself is no news for the data plane, or each write would be sent to everybody.
    expect(await harness.waitForFeed(scaler, "service", "hello")).toMatchObject({ annotations: {} });
    expect(await harness.waitForFeed(scaler, "revision", "hello")).toMatchObject({ annotations: {} });
  });

  test("put back a number that somebody else set, and say so", async () => {
    putRevision("hello");
    const scaler = await harness.startScaler();
    await waitUntil("the lease", () => scaler.isWriter());
    harness.decide(toDecision("hello", 2));
    await harness.waitForReplicas("hello", 2);
    await harness.waitForFeed(scaler, "revision", "hello", (revision) => revision.applied.replicas === 2);
    const known = harness.api.get(paths.deployments, "default", "hello");
    if (known === undefined) throw new Error("it is there");
    harness.api.put(paths.deployments, { ...known, spec: { ...known.spec, replicas: 9 } });
    await harness.waitForReplicas("hello", 2);
    expect((await harness.waitForEvent("ScaleOverridden"))["message"]).toContain(
      "Somebody set 9 replicas; put back to 2.",
    );
  });

  test("put back a number that somebody set while another replica wrote, and say so", async () => {
    putRevision("hello");
    const first = await harness.startScaler();
    harness.decide(toDecision("hello", 2));
    await harness.waitForReplicas("hello", 2);
    await waitUntil("what was applied", () =>
      harness.annotationsOf(paths.deployments, "hello")["sluice.dev/applied"]?.includes('"replicas":2'),
    );
    await harness.stopScaler(first);
    const known = harness.api.get(paths.deployments, "default", "hello");
    if (known === undefined) throw new Error("it is there");
    harness.api.put(paths.deployments, { ...known, spec: { ...known.spec, replicas: 9 } });
    await harness.startScaler();
    await harness.waitForReplicas("hello", 2);
    expect((await harness.waitForEvent("ScaleOverridden"))["message"]).toContain("Somebody set 9 replicas");
  });

  test("leave a Deployment alone that a HorizontalPodAutoscaler also sets, until that is gone", async () => {
    putRevision("hello");
    harness.api.put(paths.autoscalers, {
      metadata: { name: "hpa", namespace: "default" },
      spec: { scaleTargetRef: { kind: "Deployment", name: "hello" } },
    });
    const scaler = await harness.startScaler();
    await waitUntil("the lease", () => scaler.isWriter());
    harness.decide(toDecision("hello", 3));
    const event = await harness.waitForEvent("AutoscalerConflict");
    expect(event["message"]).toContain(
      "HorizontalPodAutoscaler hpa: spec.scaleTargetRef: must not name a Deployment",
    );
    expect(harness.api.count("PATCH", "/scale")).toBe(0);
    harness.api.remove(paths.autoscalers, "default", "hpa");
    await harness.waitForReplicas("hello", 3);
  });

  test.each([
    [409, "Conflict", ["Scaled"]],
    [500, "InternalError", ["Scaled"]],
    [429, "TooManyRequests", ["Scaled"]],
    [403, "Forbidden", ["ScaleFailed", "Scaled"]],
    [422, "Invalid", ["ScaleFailed", "Scaled"]],
  ])("are written again after a refusal with %i %s", async (status, reason, told) => {
    putRevision("hello");
    let refusals = 0;
    harness.api.fault = (request) =>
      request.path.endsWith("/scale") && refusals++ === 0
        ? { status, body: toStatus(status, reason, "not now") }
        : undefined;
    await harness.startScaler();
    harness.decide(toDecision("hello", 4));
    await harness.waitForReplicas("hello", 4);
    expect(refusals).toBe(2);
    await harness.waitForEvent("Scaled");
    expect(harness.api.list(paths.events).map((event) => event["reason"])).toEqual(told);
  });

  test("stay as they are while no aggregator can be reached", async () => {
    putRevision("hello");
    const scaler = await harness.startScaler({ SLUICE_SCALE_ENDPOINT: "http://127.0.0.1:1/v1/scale" });
    await harness.waitForFeed(scaler, "revision", "hello");
    expect(harness.api.count("PATCH", "/scale")).toBe(0);
  });

  test("make busy pods the last to go", async () => {
    const servers = await Promise.all(
      [0, 7].map(async (load) => {
        const stat = encodeStat({
          podName: "p",
          averageConcurrentRequests: load,
          averageProxiedConcurrentRequests: 0,
          requestCount: 0,
          proxiedRequestCount: 0,
          processUptime: 1,
          timestamp: 0,
          held: 0,
        });
        const server = createServer((_request, response) => response.end(stat));
        await new Promise<void>((resolve) => server.listen(0, "0.0.0.0", resolve));
        return server;
      }),
    );
    const [idle, busy] = servers.map((server) => (server.address() as AddressInfo).port);
    // Loopback is refused as a pod's address, so the stand-ins answer on the machine's own.
    const { networkInterfaces } = await import("node:os");
    const own = Object.values(networkInterfaces())
      .flat()
      .find((entry) => entry?.family === "IPv4" && !entry.internal && !entry.address.startsWith("169.254."));
    try {
      const address = own?.address ?? "10.255.255.1";
      putRevision("hello", { spec: { replicas: 2 } });
      harness.api.put(paths.pods, toPod("hello", "idle", { address, statsPort: idle ?? 0, isReady: true }));
      harness.api.put(paths.pods, toPod("hello", "busy", { address, statsPort: busy ?? 0, isReady: true }));
      const scaler = await harness.startScaler();
      await harness.waitForFeed(scaler, "pod", "busy");
      harness.decide(toDecision("hello", 1));
      await harness.waitForReplicas("hello", 1);
      const costs = ["idle", "busy"].map(
        (name) => harness.annotationsOf(paths.pods, name)["controller.kubernetes.io/pod-deletion-cost"],
      );
      // Without an address of its own the machine cannot answer, and both count as busy.
      expect(costs).toEqual(own === undefined ? ["1000", "1000"] : [undefined, "7"]);
      const order = harness.api.requests
        .filter((request) => request.method === "PATCH")
        .map((request) => request.path);
      expect(order.findIndex((path) => path.endsWith("/scale"))).toBeGreaterThan(
        order.findIndex((path) => path.endsWith("/busy")),
      );
    } finally {
      for (const server of servers) server.close();
    }
  });
});

describe("the API server", () => {
  async function waitUntilFollowed(name: string): Promise<void> {
    const [scaler] = harness.scalers;
    if (scaler === undefined) throw new Error("no scaler runs");
    putRevision(name);
    await harness.waitForFeed(scaler, "revision", name);
  }

  test("is asked with one list and one watch for each kind", async () => {
    putRevision("hello");
    await harness.startScaler();
    await waitUntilFollowed("second");
    const watches = (): number => harness.api.requests.filter(({ query }) => query.has("watch")).length;
    await waitUntil("every watch", () => watches() >= 6);
    for (const path of [
      paths.deployments,
      paths.replicaSets,
      paths.pods,
      paths.services,
      paths.slices,
      paths.autoscalers,
    ]) {
      expect([path, harness.api.count("GET", path), harness.api.count("GET", path, true)]).toEqual([
        path,
        1,
        1,
      ]);
    }
  });

  test.each([false, true])("may cut every watch, in the middle of an event: %s", async (midEvent) => {
    putRevision("hello");
    await harness.startScaler();
    await waitUntilFollowed("before");
    harness.api.cutWatches(midEvent);
    await waitUntilFollowed("after");
    // The watch went on where it was, without listing again.
    expect(harness.api.count("GET", paths.deployments)).toBe(1);
  });

  test("may forget its history: everything is listed again, and what went meanwhile is gone", async () => {
    putRevision("hello");
    putRevision("leaving");
    const scaler = await harness.startScaler();
    await harness.waitForFeed(scaler, "revision", "leaving");
    harness.api.fault = (request) =>
      request.query.get("watch") === "true" ? { status: 503, body: {} } : undefined;
    harness.api.cutWatches();
    harness.api.remove(paths.deployments, "default", "leaving");
    harness.api.compact();
    harness.api.fault = () => undefined;
    await waitUntil("the revision to go", async () =>
      (await harness.readFeed(scaler))?.every((object) => object.name !== "leaving"),
    );
    await waitUntilFollowed("after");
    expect(harness.api.count("GET", paths.deployments)).toBe(2);
  });

  test("may fail in the middle of a list: all of it is listed again, and nothing is missing", async () => {
    for (let index = 0; index < 501; index++) putRevision(`app-${index}`);
    let failures = 1;
    harness.api.fault = ({ path, query }) =>
      path === paths.deployments && query.has("continue") && failures-- > 0
        ? { status: 503, body: {} }
        : undefined;
    const scaler = await harness.startScaler();
    await harness.waitForFeed(scaler, "revision", "app-500");
    expect(failures).toBeLessThan(1);
    expect(await harness.readFeed(scaler)).toSatisfy(
      (feed: { kind: string }[]) => feed.filter(({ kind }) => kind === "revision").length === 501,
    );
  });

  test("is asked for no more than the metadata of ReplicaSets", async () => {
    putRevision("hello");
    await harness.startScaler();
    await waitUntilFollowed("second");
    const asked = harness.api.requests.filter(({ path }) => path === paths.replicaSets);
    expect(asked.map(({ accept }) => accept)).toEqual([
      "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1",
      "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1",
    ]);
  });

  test("may be restarted", async () => {
    putRevision("hello");
    await harness.startScaler();
    await waitUntilFollowed("before");
    await harness.api.restart();
    await waitUntilFollowed("after");
    harness.decide(toDecision("after", 2));
    await harness.waitForReplicas("after", 2);
    expect(harness.scalers[0]?.isWriter()).toBe(true);
  });

  test("may be slow: of the decisions that come meanwhile the newest is written, and no other", async () => {
    putRevision("hello");
    const scaler = await harness.startScaler();
    await waitUntil("the lease", () => scaler.isWriter());
    const gate = Promise.withResolvers<undefined>();
    harness.api.fault = (request) => (request.path.endsWith("/scale") ? gate.promise : undefined);
    for (const pods of [1, 2, 3, 4]) harness.decide(toDecision("hello", pods));
    await waitUntil("the first write", () => harness.api.count("PATCH", "/scale") === 1);
    gate.resolve(undefined);
    await harness.waitForReplicas("hello", 4);
    const written = harness.api.requests.filter((request) => request.path.endsWith("/scale"));
    expect(written.length).toBeLessThanOrEqual(2);
    expect(written.at(-1)?.body).toEqual({ spec: { replicas: 4 } });
  });

  test("may refuse the token for a while", async () => {
    putRevision("hello");
    await harness.startScaler();
    await waitUntilFollowed("before");
    harness.api.fault = () => ({ status: 401, body: toStatus(401, "Unauthorized", "Unauthorized") });
    harness.api.cutWatches();
    await waitUntil("refused watches", () => harness.api.requests.length > 14);
    harness.api.fault = () => undefined;
    await waitUntilFollowed("after");
    expect(harness.api.count("GET", paths.deployments)).toBe(1);
  });
});

describe("a Deployment that cannot be scaled", () => {
  test.each(
    badManifests
      .filter(({ only }) => only === undefined)
      .map(({ title, text, message }) => [title, text, message] as const),
  )(
    "for %s gets one event with object, field, rule and value, and keeps its number",
    async (_title, text, message) => {
      const object = parse(text) as FakeObject;
      const { name } = object.metadata;
      harness.api.put(paths.deployments, { ...object, spec: { ...object.spec, replicas: 3 } });
      const scaler = await harness.startScaler();
      putRevision("good");
      await harness.waitForFeed(scaler, "revision", "good");
      harness.decide(toDecision(name, 0));
      harness.decide(toDecision("good", 1));
      await harness.waitForReplicas("good", 1);
      const events = (): unknown[] => harness.api.list(paths.events).filter(({ type }) => type === "Warning");
      await waitUntil("an event", () => events().length > 0);
      expect(events()).toEqual([expect.objectContaining({ reason: "Refused", message })]);
      expect(harness.replicasOf(name)).toBe(3);
      expect(harness.api.count("PATCH", `/${name}`)).toBe(0);
      expect((await harness.readFeed(scaler))?.some((found) => found.name === name)).toBe(false);
    },
  );
});

describe("two replicas", () => {
  test("both serve the feed, one writes, and the other takes over when that one stops", async () => {
    putRevision("hello");
    const first = await harness.startScaler();
    await waitUntil("the first to write", () => first.isWriter());
    const second = await harness.startScaler();
    await harness.waitForFeed(second, "revision", "hello");
    harness.decide(toDecision("hello", 2));
    await harness.waitForReplicas("hello", 2);
    expect(second.isWriter()).toBe(false);
    expect(harness.api.count("PATCH", "/scale")).toBe(1);
    const applied = await harness.waitForFeed(
      second,
      "revision",
      "hello",
      (r) => r.applied.decidedAt !== undefined,
    );
    expect(applied.applied.replicas).toBe(2);
    await harness.stopScaler(first);
    harness.decide(toDecision("hello", 3));
    await harness.waitForReplicas("hello", 3);
    expect(second.isWriter()).toBe(true);
  });
});

describe("a public Service", () => {
  async function startWithService(): Promise<void> {
    putRevision("hello");
    harness.api.put(paths.services, toService("hello"));
    harness.api.put(paths.pods, toActivator("activator-0", "10.0.1.1"));
    harness.api.put(paths.pods, toActivator("activator-1", "10.0.1.2"));
    await harness.startScaler();
  }

  test("leads to activators, to pods when the decision says so, and back, with the old ones until the new ones are there", async () => {
    await startWithService();
    await waitUntil("activators", () => harness.slicesOf("hello")["activators"]?.length === 2);
    const history: string[] = [];
    harness.api.onRequest = (request) => {
      if (["POST", "DELETE"].includes(request.method) && request.path.includes("/endpointslices")) {
        history.push(`${request.method} with ${Object.keys(harness.slicesOf("hello")).toSorted().join("+")}`);
      }
    };
    harness.api.put(paths.pods, toPod("hello", "hello-1", { address: "10.0.0.1", isReady: true }));
    harness.api.put(paths.pods, toPod("hello", "hello-2", { address: "10.0.0.2" }));
    harness.decide(toDecision("hello", 2, { mode: "serve" }));
    await waitUntil(
      "pods alone",
      () => JSON.stringify(harness.slicesOf("hello")) === '{"pods":["10.0.0.1"]}',
    );
    const [scaler] = harness.scalers;
    if (scaler === undefined) throw new Error("it runs");
    await harness.waitForFeed(scaler, "revision", "hello", (revision) => revision.applied.mode === "serve");
    harness.decide(toDecision("hello", 2, { mode: "proxy" }));
    await waitUntil(
      "activators alone",
      () => Object.keys(harness.slicesOf("hello")).join("+") === "activators",
    );
    await harness.waitForFeed(scaler, "revision", "hello", (revision) => revision.applied.mode === "proxy");
    expect(history).toEqual([
      "POST with activators",
      "DELETE with activators+pods",
      "POST with pods",
      "DELETE with activators+pods",
    ]);
  });

  test("follows pods that come and go while it leads to them", async () => {
    await startWithService();
    harness.api.put(paths.pods, toPod("hello", "hello-1", { address: "10.0.0.1", isReady: true }));
    harness.decide(toDecision("hello", 2, { mode: "serve" }));
    await waitUntil("one pod", () => harness.slicesOf("hello")["pods"]?.length === 1);
    harness.api.put(paths.pods, toPod("hello", "hello-2", { address: "10.0.0.2", isReady: true }));
    await waitUntil("two pods", () => harness.slicesOf("hello")["pods"]?.length === 2);
    harness.api.put(paths.pods, toPod("hello", "hello-1", { address: "10.0.0.1" }));
    harness.api.put(paths.pods, toPod("hello", "hello-2", { address: "10.0.0.2" }));
    // No pod can take a request, so activators hold them, whatever the last decision was.
    await waitUntil("activators", () => Object.keys(harness.slicesOf("hello")).join() === "activators");
    expect(harness.slicesOf("hello")["activators"]?.toSorted()).toEqual(["10.0.1.1", "10.0.1.2"]);
  });

  test("that stands for a service which another Service had first is left alone, and that is said", async () => {
    await startWithService();
    await waitUntil("activators", () => harness.slicesOf("hello")["activators"]?.length === 2);
    harness.api.put(
      paths.services,
      toService("late", {
        metadata: {
          name: "late",
          creationTimestamp: "2026-11-23T12:00:00Z",
          labels: { "sluice.dev/service": "hello" },
        },
      }),
    );
    expect((await harness.waitForEvent("Refused"))["message"]).toBe(
      'Service default/late: metadata.labels[sluice.dev/service]: must be used by one Service only; hello was first (found "hello")',
    );
    expect(harness.slicesOf("late")).toEqual({});
  });

  test("that lost its selector loses what Kubernetes wrote while it had one, once ours is there", async () => {
    // A slice, and Endpoints, which are mirrored to another slice.
    harness.api.put(paths.slices, toRivalSlice("hello"));
    harness.api.put(paths.slices, toRivalSlice("hello", "endpointslicemirroring-controller.k8s.io"));
    harness.api.put(paths.endpoints, { metadata: { name: "hello", namespace: "default" } });
    harness.api.put(paths.slices, toRivalSlice("other"));
    const atRemoval: number[] = [];
    harness.api.onRequest = ({ method }) => {
      if (method === "DELETE") atRemoval.push(harness.slicesOf("hello")["activators"]?.length ?? 0);
    };
    await startWithService();
    const namesOf = (): string[] =>
      harness.api
        .list(paths.slices)
        .map((slice) => slice.metadata.name)
        .toSorted();
    await waitUntil("ours alone", () => namesOf().join() === "hello-sluice-activators,other-endpointslice");
    await waitUntil(
      "the note to go",
      () =>
        harness.annotationsOf(paths.slices, "hello-sluice-activators")[
          "sluice.dev/remove-other-endpoints"
        ] === undefined,
    );
    expect(harness.api.list(paths.endpoints)).toEqual([]);
    expect(atRemoval).toEqual([2, 2, 2]);
    // From here on nothing is asked: another writer sees that it was done.
    const listed = harness.api.count("GET", "/namespaces/default/endpointslices");
    const [first] = harness.scalers;
    if (first === undefined) throw new Error("it runs");
    await harness.stopScaler(first);
    const second = await harness.startScaler();
    await waitUntil("the lease", () => second.isWriter());
    harness.api.put(paths.pods, toActivator("activator-2", "10.0.1.3"));
    await waitUntil("three activators", () => harness.slicesOf("hello")["activators"]?.length === 3);
    expect(harness.api.count("GET", "/namespaces/default/endpointslices")).toBe(listed);
  });

  test.each([
    ["has its selector back", { spec: { selector: { app: "hello" }, ports: [{ port: 80 }] } }],
    [
      "is none of ours any more",
      { metadata: { name: "hello", labels: {} }, spec: { selector: { app: "hello" } } },
    ],
  ])("that %s loses our endpoints", async (_what, more: Partial<FakeObject>) => {
    await startWithService();
    await waitUntil("activators", () => harness.slicesOf("hello")["activators"]?.length === 2);
    harness.api.put(paths.services, toService("hello", more));
    await waitUntil("nothing of ours", () => Object.keys(harness.slicesOf("hello")).length === 0);
    expect(harness.api.count("DELETE", "/hello-sluice-activators")).toBe(1);
  });

  test("that changed hands while nobody wrote loses our endpoints when somebody does", async () => {
    await startWithService();
    await waitUntil("activators", () => harness.slicesOf("hello")["activators"]?.length === 2);
    const [first] = harness.scalers;
    if (first === undefined) throw new Error("it runs");
    await harness.stopScaler(first);
    harness.api.put(paths.services, toService("hello", { metadata: { name: "hello", labels: {} } }));
    await harness.startScaler();
    await waitUntil("nothing of ours", () => Object.keys(harness.slicesOf("hello")).length === 0);
    expect(harness.api.count("DELETE", "/hello-sluice-activators")).toBe(1);
  });

  test("with a selector is left alone, and that is said", async () => {
    putRevision("hello");
    harness.api.put(paths.pods, toActivator("activator-0", "10.0.1.1"));
    const scaler = await harness.startScaler();
    await waitUntil("the lease", () => scaler.isWriter());
    harness.api.put(
      paths.services,
      toService("hello", { spec: { selector: { app: "hello" }, ports: [{ port: 80 }] } }),
    );
    const event = await harness.waitForEvent("Refused");
    expect(event["message"]).toContain("Service default/hello: spec.selector: must not be set");
    expect(harness.slicesOf("hello")).toEqual({});
  });
});

describe("hosts", () => {
  const withHosts = (name: string, hosts: string, createdAt: string): FakeObject =>
    toDeployment(name, {
      metadata: { name, creationTimestamp: createdAt, annotations: { "sluice.dev/hosts": hosts } },
    });

  test("go to the oldest claim, custom ones only where the operator allows them, and refusals are events", async () => {
    harness.api.put(
      paths.deployments,
      withHosts("young", "shop.example.org, *.evil.example", "2026-11-23T11:00:00Z"),
    );
    harness.api.put(paths.deployments, withHosts("old", "shop.example.org", "2026-11-23T10:00:00Z"));
    const scaler = await harness.startScaler({ SLUICE_ALLOWED_HOSTS: "default=*.example.org" });
    const old = await harness.waitForFeed(scaler, "service", "old");
    const young = await harness.waitForFeed(scaler, "service", "young");
    const hostsOf = (service: typeof old): string[] => service.hosts.map(({ host }) => host);
    expect(hostsOf(old)).toContain("shop.example.org");
    expect(hostsOf(young)).not.toContain("shop.example.org");
    expect(hostsOf(young)).not.toContain("*.evil.example");
    const messages = await waitUntil("both refusals", () => {
      const found = harness.api.list(paths.events).map((event) => String(event["message"]));
      return found.length === 2 && found.toSorted();
    });
    expect(messages).toEqual([
      'Deployment default/young: metadata.annotations[sluice.dev/hosts]: must be on the operator\'s allow-list for this namespace (SLUICE_ALLOWED_HOSTS) (found "*.evil.example")',
      'Deployment default/young: metadata.annotations[sluice.dev/hosts]: was claimed first by default/old (found "shop.example.org")',
    ]);
  });
});

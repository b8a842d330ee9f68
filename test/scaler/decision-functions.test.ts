import { describe, expect, test } from "vitest";
import { decideCosts } from "../../packages/scaler/src/deletion-cost.ts";
import { decideSwitch, type SwitchState } from "../../packages/scaler/src/endpoint-switch.ts";
import { toSlice, type SliceEndpoint, type WantedSlice } from "../../packages/scaler/src/endpoint-slice.ts";
import { pickActivators } from "../../packages/scaler/src/wanted-slice.ts";
import { isAllowedHost, parseAllowList } from "../../packages/scaler/src/host-claims.ts";
import { KeyedWorker } from "../../packages/scaler/src/keyed-worker.ts";
import { decideLease, leaseDurationMs, toLease } from "../../packages/scaler/src/lease.ts";
import type { PodRecord } from "../../packages/scaler/src/pod-record.ts";
import { hasReached } from "../../packages/scaler/src/scale-write.ts";
import { parseTrafficAnnotation, type ServiceRecord } from "../../packages/scaler/src/service-record.ts";

describe("the lease", () => {
  const held = (holderIdentity: string, renewTime = "t1"): Record<string, unknown> => ({
    spec: { holderIdentity, renewTime, leaseDurationSeconds: 15 },
  });

  test.each([
    ["does not exist", undefined, undefined, 0, "create"],
    ["is ours", held("me"), undefined, 0, "renew"],
    ["was given back", held(""), undefined, 0, "take"],
    ["is another's, seen for the first time", held("other"), undefined, 1e9, "wait"],
    [
      "was not renewed for its duration",
      held("other"),
      { seen: "other t1", seenAtMs: 0 },
      leaseDurationMs,
      "take",
    ],
    [
      "was not renewed for less",
      held("other"),
      { seen: "other t1", seenAtMs: 0 },
      leaseDurationMs - 1,
      "wait",
    ],
    ["was renewed meanwhile", held("other", "t2"), { seen: "other t1", seenAtMs: 0 }, 1e9, "wait"],
    ["is an earlier start's of the same pod", held("pod_1"), undefined, 0, "take"],
    ["is of another pod", held("pod-1_1"), undefined, 0, "wait"],
    // Somebody runs two by one name: the second to look took it, and they must not take it from each other for ever.
    ["was taken by a start of the same pod", held("pod_1"), { seen: "", seenAtMs: 0 }, 0, "wait"],
  ] as const)("that %s", (_title, lease, memory, nowMs, action) => {
    const holder = (lease?.["spec"] as { holderIdentity: string } | undefined)?.holderIdentity;
    expect(decideLease(lease, holder === "me" ? "me" : "pod_2", memory, nowMs).action).toBe(action);
  });

  test("is written as Kubernetes' own controllers write it", () => {
    const facts = {
      name: "l",
      namespace: "n",
      identity: "me",
      wallMs: Date.UTC(2026, 10, 23, 11, 0, 56, 459),
    };
    const created = toLease(undefined, "create", facts);
    expect(created["spec"]).toEqual({
      holderIdentity: "me",
      leaseDurationSeconds: 15,
      acquireTime: "2026-11-23T11:00:56.459000Z",
      renewTime: "2026-11-23T11:00:56.459000Z",
      leaseTransitions: 0,
    });
    expect(toLease(created, "take", { ...facts, identity: "you" })["spec"]).toMatchObject({
      holderIdentity: "you",
      leaseTransitions: 1,
    });
  });
});

const service: ServiceRecord = {
  namespace: "default",
  name: "hello",
  uid: "u",
  createdAt: "",
  service: "hello",
  ports: [{ name: "http", port: 80 }],
  hasSelector: false,
  ipFamilies: ["IPv4"],
  labels: {},
  annotations: {},
};
const at = (address: string, name: string): SliceEndpoint => ({
  address,
  namespace: "default",
  name,
  nodeName: "node-1",
});
const pods = toSlice(service, "pods", [at("10.0.0.1", "p")], 8012);
const activators = toSlice(service, "activators", [at("10.0.1.1", "a")], 8002);

describe("the switch of a Service's endpoints", () => {
  function existing(...slices: readonly WantedSlice[]): ReadonlyMap<WantedSlice["role"], WantedSlice> {
    return new Map(slices.map((slice) => [slice.role, slice]));
  }

  test("adds the new, waits until it was seen for the time that nodes take, then removes the old", () => {
    const view = { wanted: pods, settleMs: 3000 };
    const added = decideSwitch({ ...view, existing: existing(activators), nowMs: 0 }, {});
    expect(added).toEqual({ state: {}, write: pods, isDone: false });
    const seen = decideSwitch({ ...view, existing: existing(activators, pods), nowMs: 100 }, added.state);
    expect(seen).toEqual({ state: { seenSinceMs: 100 }, againInMs: 3000, isDone: false });
    const early = decideSwitch({ ...view, existing: existing(activators, pods), nowMs: 3099 }, seen.state);
    expect(early).toMatchObject({ againInMs: 1, isDone: false });
    const late = decideSwitch({ ...view, existing: existing(activators, pods), nowMs: 3100 }, early.state);
    expect(late).toMatchObject({ remove: "activators", isDone: false });
    const done = decideSwitch({ ...view, existing: existing(pods), nowMs: 3200 }, late.state);
    expect(done).toEqual({ state: {}, isDone: true });
  });

  test("starts its wait anew when the new ones change meanwhile, and turns back without having removed anything", () => {
    const more = toSlice(service, "pods", [at("10.0.0.1", "p"), at("10.0.0.2", "q")], 8012);
    const state: SwitchState = { seenSinceMs: 0 };
    const changed = decideSwitch(
      { wanted: more, existing: existing(activators, pods), nowMs: 5000, settleMs: 3000 },
      state,
    );
    expect(changed).toEqual({ state: {}, write: more, isDone: false });
    const back = decideSwitch(
      { wanted: activators, existing: existing(activators, pods), nowMs: 100, settleMs: 0 },
      {},
    );
    expect(back).toMatchObject({ remove: "pods" });
  });

  test("tells slices apart by where requests go, not by order", () => {
    const two = [at("10.0.0.1", "p"), at("10.0.0.2", "q")];
    expect(toSlice(service, "pods", two, 8012).content).toBe(
      toSlice(service, "pods", two.toReversed(), 8012).content,
    );
    expect(toSlice(service, "pods", two, 8012).content).not.toBe(toSlice(service, "pods", two, 8013).content);
  });

  test("says where each endpoint runs, and what the Service's ports speak", () => {
    const spoken = { ...service, ports: [{ name: "http", port: 80, appProtocol: "kubernetes.io/h2c" }] };
    expect(toSlice(spoken, "pods", [at("10.0.0.1", "p")], 8013).json).toMatchObject({
      endpoints: [{ nodeName: "node-1", targetRef: { kind: "Pod", namespace: "default", name: "p" } }],
      ports: [{ name: "http", port: 8013, appProtocol: "kubernetes.io/h2c" }],
    });
    const unplaced = { ...at("10.0.0.1", "p"), nodeName: "" };
    expect(toSlice(service, "pods", [unplaced], 8012).content).not.toBe(pods.content);
  });

  test("takes addresses of one family, as the API wants it", () => {
    const mixed = [at("fd00::1", "p"), at("10.0.0.2", "q")];
    expect(toSlice(service, "pods", mixed, 8012).json).toMatchObject({
      addressType: "IPv6",
      endpoints: [{ addresses: ["fd00::1"] }],
    });
  });
});

describe("activators of a revision", () => {
  const members = ["a", "b", "c", "d"].map((name) => ({
    kind: "activator" as const,
    namespace: "sluice-system",
    name,
    nodeName: "node-1",
    address: `10.0.1.${name.charCodeAt(0)}`,
    ports: { internal: 8002 },
    ready: name !== "d",
  }));

  test("are as many as asked for, ready, and the same ones whoever asks", () => {
    const picked = pickActivators(members, "default/hello", 2).map((member) => member.name);
    expect(picked).toHaveLength(2);
    expect(picked).not.toContain("d");
    expect(pickActivators(members.toReversed(), "default/hello", 2).map((member) => member.name)).toEqual(
      picked,
    );
    expect(pickActivators(members, "default/hello", 9)).toHaveLength(3);
    expect(pickActivators([], "default/hello", 2)).toEqual([]);
  });
});

describe("small decisions", () => {
  const pod = (name: string, deletionCost: number): PodRecord => ({
    kind: "app",
    namespace: "default",
    name,
    ownerUid: "s",
    address: "10.0.0.1",
    nodeName: "",
    ports: { main: 8012, stats: 9090, metrics: 9091, admin: 8022 },
    ready: true,
    terminating: false,
    startedAt: "",
    deletionCost,
  });

  test("deletion costs are written where they differ; a pod that does not answer counts as busy", () => {
    const known = [pod("idle", 0), pod("busy", 0), pod("was-busy", 3), pod("same", 2), pod("silent", 0)];
    const loads = new Map([
      ["idle", 0],
      ["busy", 1.2],
      ["was-busy", 0],
      ["same", 1.5],
    ]);
    expect([...decideCosts(known, loads)]).toEqual([
      ["busy", 2],
      ["was-busy", 0],
      ["silent", 1000],
    ]);
  });

  test.each([
    ["10", "9", true],
    ["9", "10", false],
    ["100000000000000000001", "100000000000000000000", true],
    ["a", "a", true],
    ["a", "b", false],
  ])("a version %s has reached %s: %s", (observed, written, reached) => {
    expect(hasReached(observed, written)).toBe(reached);
  });

  test.each([
    ["shop", "shop.example.org", true],
    ["shop", "a.apps.example.org", true],
    ["shop", "*.apps.example.org", true],
    ["shop", "*.x.apps.example.org", true],
    ["shop", "apps.example.org", false],
    ["shop", "evilapps.example.org", false],
    ["other", "shop.example.org", false],
  ])("namespace %s may claim %s: %s", (namespace, host, allowed) => {
    const list = parseAllowList("shop=shop.example.org, shop=*.apps.example.org");
    expect(isAllowedHost(list, namespace, host)).toBe(allowed);
  });

  test.each(["shop", "shop=", "=host", "a=b=c"])("an allow-list %j is refused", (text) => {
    expect(() => parseAllowList(text)).toThrow("must be namespace=host pairs");
  });

  test.each([
    ["not json", undefined],
    ["{}", undefined],
    ['[{"revision":"a","percent":50}]', undefined],
    ['[{"revision":"","percent":100}]', undefined],
    ['[{"revision":"a","percent":100},7]', undefined],
    ['[{"revision":"a","percent":100}]', [{ revision: "a", percent: 100 }]],
  ])("a split %j", (text, split) => {
    expect(parseTrafficAnnotation(text)).toEqual(split);
  });
});

describe("work by key", () => {
  test("runs one at a time for a key, the newest, within the limit, and goes on after a failure", async () => {
    const log: string[] = [];
    const gates = new Map<string, PromiseWithResolvers<void>>();
    const failures: string[] = [];
    const worker = new KeyedWorker(2, (key) => failures.push(key));
    const submit = (key: string, name: string): void =>
      worker.submit(key, async () => {
        log.push(name);
        const gate = Promise.withResolvers<void>();
        gates.set(name, gate);
        await gate.promise;
      });
    submit("a", "a1");
    submit("a", "a2");
    submit("a", "a3");
    submit("b", "b1");
    submit("c", "c1");
    expect(log).toEqual(["a1", "b1"]);
    gates.get("a1")?.reject(new Error("no"));
    await Promise.resolve();
    await new Promise((resolve) => setImmediate(resolve));
    expect(failures).toEqual(["a"]);
    expect(log.slice(2)).toEqual(["a3"]);
    for (const name of ["b1", "a3"]) gates.get(name)?.resolve();
    await new Promise((resolve) => setImmediate(resolve));
    gates.get("c1")?.resolve();
    await worker.whenIdle();
    expect(log).toEqual(["a1", "b1", "a3", "c1"]);
  });
});

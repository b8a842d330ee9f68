import { get } from "node:http";
import { join } from "node:path";
import {
  systemClock,
  toFeedKey,
  type Decision,
  type FeedObject,
  type Pod,
  type Revision,
  type Service,
} from "@sluice/core";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { AddressBook } from "../../packages/local/src/address-book.ts";
import { AppPorts } from "../../packages/local/src/app-ports.ts";
import { Catalog, ManifestRefused } from "../../packages/local/src/catalog.ts";
import { viewPods } from "../../packages/local/src/catalog-view.ts";
import type { FeedPublisher } from "../../packages/local/src/feed-publisher.ts";
import { LogRing } from "../../packages/local/src/log-ring.ts";
import { probeSidecar } from "../../packages/local/src/readiness-probe.ts";
import { findServiceProgram } from "../../packages/local/src/service-program.ts";
import { SidecarSource } from "../../packages/local/src/sidecar-source.ts";
import { isRunning, waitUntilGone } from "../support/process-life.ts";
import { waitUntil } from "../support/wait-until.ts";

const root = join(import.meta.dirname, "..", "..");
const appsFolder = join(import.meta.dirname, "..", "support", "apps");

/** The feed as a reader would have it, with every change in order. */
class RecordingFeed implements FeedPublisher {
  readonly objects = new Map<string, FeedObject>();
  readonly history: FeedObject[] = [];
  acknowledged = async (): Promise<void> => await Promise.resolve();

  publish(object: FeedObject): void {
    this.objects.set(toFeedKey(object), structuredClone(object));
    this.history.push(structuredClone(object));
  }

  withdraw(object: FeedObject): void {
    this.objects.delete(toFeedKey(object));
  }

  pods(revision: string): Pod[] {
    return [...this.objects.values()].filter(
      (object) => object.kind === "pod" && object.revision === revision,
    ) as Pod[];
  }

  revision(name: string): Revision | undefined {
    return this.objects.get(`revision/default/${name}`) as Revision | undefined;
  }

  service(name: string): Service | undefined {
    return this.objects.get(`service/default/${name}`) as Service | undefined;
  }
}

let feed: RecordingFeed;
let catalog: Catalog;
let sidecars: SidecarSource;
let addresses: AddressBook;
let logs: LogRing;

beforeEach(async () => {
  feed = new RecordingFeed();
  logs = new LogRing(1000);
  addresses = await AddressBook.open();
  sidecars = new SidecarSource(systemClock, {
    program: findServiceProgram(root, "sidecar"),
    spares: 1,
    environment: { PATH: process.env["PATH"] ?? "" },
    workingDirectory: root,
  });
  catalog = new Catalog({
    domains: ["example.com"],
    launch: { images: [], findExecutable: (command) => (command === "node" ? process.execPath : undefined) },
    services: {
      clock: systemClock,
      addresses,
      appPorts: new AppPorts(Math.random),
      sidecars,
      logs,
      probe: probeSidecar,
      feed,
      baseEnvironment: { PATH: process.env["PATH"] ?? "" },
    },
    onChange: () => {},
  });
});

afterEach(async () => {
  const pids = allPids();
  catalog.kill();
  sidecars.close();
  addresses.close();
  await waitUntilGone(pids);
});

function allPids(): number[] {
  return viewPods(catalog).flatMap(({ processes }) => Object.values(processes));
}

interface ServiceOptions {
  readonly name?: string;
  /** More of `spec`, as YAML flow. */
  readonly spec?: string;
  readonly env?: Readonly<Record<string, string>>;
}

function apply({ name = "hello", spec = "", env = {} }: ServiceOptions = {}): void {
  const variables = Object.entries(env).map(
    ([key, value]) => `{ name: ${key}, value: ${JSON.stringify(value)} }`,
  );
  const container = `{ image: x, command: [node, any-app.mjs], env: [${variables.join(", ")}] }`;
  const text = `apiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: { name: ${name} }\nspec: { template: { spec: { containers: [${container}] } }${spec} }`;
  catalog.apply([{ text, name: "test.yaml", folder: appsFolder }]);
}

function decide(name: string, desiredPods: number): void {
  const decision: Decision = {
    namespace: "default",
    name,
    recommendedPods: desiredPods,
    desiredPods,
    readyPods: 0,
    mode: "proxy",
    numActivators: 2,
    activation: { state: "active", since: "2026-11-23T10:00:00.000Z" },
    excessBurstCapacity: 0,
    stableValue: 0,
    panicValue: 0,
    targetValue: 10,
    inPanicMode: false,
    inFlight: 0,
    held: 0,
    requestsPerSecond: 0,
    owner: "aggregator-0",
    decidedAt: new Date().toISOString(),
    reason: "the test says so",
  };
  catalog.applyDecision(decision);
}

async function waitForReady(revision: string, count: number): Promise<Pod[]> {
  return await waitUntil(`${count} ready pods of ${revision}`, () => {
    const ready = feed.pods(revision).filter((pod) => pod.ready && !pod.terminating);
    return ready.length === count && ready;
  });
}

async function ask(pod: Pod, path: string): Promise<{ status: number; body: string }> {
  return await new Promise((resolve, reject) => {
    const call = get({ host: pod.address, port: pod.ports.main, path, agent: false }, (response) => {
      let body = "";
      response.setEncoding("utf8").on("data", (text: string) => (body += text));
      response.once("end", () => resolve({ status: response.statusCode ?? 0, body }));
    });
    call.once("error", reject);
  });
}

describe("a decision is carried out", () => {
  test("as many pods as desired come up, each with an address, a port and Knative's variables", async () => {
    apply({ env: { GREETING: "hi" } });
    decide("hello-00001", 2);
    const pods = await waitForReady("hello-00001", 2);
    expect(new Set(pods.map(({ address, ports }) => `${address}:${ports.main}`)).size).toBe(2);
    const environments = await Promise.all(
      pods.map(async (pod) => JSON.parse((await ask(pod, "/env")).body) as Record<string, string>),
    );
    expect(new Set(environments.map(({ PORT }) => PORT)).size).toBe(2);
    for (const environment of environments) {
      expect(environment).toMatchObject({
        K_SERVICE: "hello",
        K_CONFIGURATION: "hello",
        K_REVISION: "hello-00001",
        GREETING: "hi",
      });
    }
    expect(feed.revision("hello-00001")?.applied).toMatchObject({ replicas: 2, mode: "proxy" });
  });

  test("a pod's address is on the feed before the pod is ready, so that activators can ask themselves", async () => {
    apply();
    decide("hello-00001", 1);
    await waitForReady("hello-00001", 1);
    const states = feed.history.filter((object) => object.kind === "pod").map((pod) => pod.ready);
    expect(states[0]).toBe(false);
    expect(states.at(-1)).toBe(true);
  });

  test("a pod that goes is terminating first, runs until activators know, and leaves no process", async () => {
    apply();
    decide("hello-00001", 1);
    const [pod] = await waitForReady("hello-00001", 1);
    const pids = allPids();
    const acknowledged = Promise.withResolvers<void>();
    feed.acknowledged = async () => await acknowledged.promise;
    decide("hello-00001", 0);
    await waitUntil("the pod to be terminating", () => feed.pods("hello-00001")[0]?.terminating);
    expect(pod && (await ask(pod, "/")).status).toBe(200);
    acknowledged.resolve();
    await waitUntil("the pod to leave the feed", () => feed.pods("hello-00001").length === 0);
    await waitUntilGone(pids);
    expect(feed.revision("hello-00001")?.applied.replicas).toBe(0);
  });

  test("requests that are in a pod when it goes get their answer", async () => {
    apply();
    decide("hello-00001", 1);
    const [pod] = await waitForReady("hello-00001", 1);
    if (pod === undefined) throw new Error("no pod");
    const answer = ask(pod, "/pid?sleep=300");
    decide("hello-00001", 0);
    expect((await answer).status).toBe(200);
    await waitUntil("the pod to leave the feed", () => feed.pods("hello-00001").length === 0);
  });
});

describe("what ends by itself comes back", () => {
  test.each(["app", "sidecar"])(
    "a killed %s makes its pod not ready at once, and ready again later",
    async (container) => {
      apply();
      decide("hello-00001", 1);
      const [pod] = await waitForReady("hello-00001", 1);
      const before = viewPods(catalog)[0]?.processes[container] ?? 0;
      expect(isRunning(before)).toBe(true);
      process.kill(before, "SIGKILL");
      await waitUntil("the pod to be not ready", () => feed.pods("hello-00001")[0]?.ready === false);
      const [again] = await waitForReady("hello-00001", 1);
      expect(again?.name).toBe(pod?.name);
      expect(viewPods(catalog)[0]?.processes[container]).not.toBe(before);
      expect(again && (await ask(again, "/")).status).toBe(200);
    },
  );

  test("an app that keeps failing becomes the revision's failure, with its last words", async () => {
    apply({ env: { CRASH: "cannot find the database" } });
    decide("hello-00001", 1);
    const failure = await waitUntil("the failure", () => feed.revision("hello-00001")?.failure);
    expect(failure).toEqual({
      reason: "CrashLoopBackOff",
      message: "the app exited with code 3; its last output: cannot find the database",
    });
    decide("hello-00001", 0);
    await waitUntil(
      "the failure to go with the last pod",
      () => feed.revision("hello-00001")?.failure === undefined,
    );
  });
});

describe("a service changes", () => {
  test("the same manifest changes nothing", () => {
    apply();
    apply();
    expect(catalog.revisions.map(({ spec }) => spec.name)).toEqual(["hello-00001"]);
  });

  test("requests move to a new revision when it is up, not before", async () => {
    apply();
    decide("hello-00001", 1);
    await waitForReady("hello-00001", 1);
    apply({ env: { VERSION: "2" } });
    expect(feed.service("hello")?.traffic).toEqual([{ revision: "hello-00001", percent: 100 }]);
    expect(feed.revision("hello-00002")?.reachable).toBe(true);
    decide("hello-00002", 1);
    await waitForReady("hello-00002", 1);
    expect(feed.service("hello")?.traffic).toEqual([{ revision: "hello-00002", percent: 100 }]);
    expect(feed.revision("hello-00001")?.reachable).toBe(false);
  });

  test("a new revision that does not come up leaves the old one serving", async () => {
    apply();
    decide("hello-00001", 1);
    await waitForReady("hello-00001", 1);
    apply({ env: { CRASH: "broken" } });
    decide("hello-00002", 1);
    await waitUntil("the failure", () => feed.revision("hello-00002")?.failure);
    expect(feed.service("hello")?.traffic).toEqual([{ revision: "hello-00001", percent: 100 }]);
  });

  test("a service that is removed leaves nothing on the feed and no process", async () => {
    apply();
    decide("hello-00001", 1);
    await waitForReady("hello-00001", 1);
    const pids = allPids();
    expect(await catalog.remove("default/hello", 5000)).toBe(true);
    expect([...feed.objects.keys()]).toEqual([]);
    await waitUntilGone(pids);
    expect(await catalog.remove("default/hello", 5000)).toBe(false);
  });
});

describe("what is refused changes nothing", () => {
  test.each([
    { name: "an unknown command", text: "[{ image: x, command: [nothere] }]", message: "nothere" },
    {
      name: "an image without a command",
      text: "[{ image: x }]",
      message: "no command is known for image x",
    },
    {
      name: "a wrong field",
      text: "[{ image: x, command: [node], ports: [{ containerPort: -1 }] }]",
      message: "containerPort",
    },
  ])("$name", ({ text, message }) => {
    const good =
      "apiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: { name: good }\nspec: { template: { spec: { containers: [{ image: x, command: [node, any-app.mjs] }] } } }";
    const bad = good.replace("good", "bad").replace(/\[\{.*\}\]/, text);
    const sources = [good, bad].map((manifest, index) => ({
      text: manifest,
      name: `${index}.yaml`,
      folder: appsFolder,
    }));
    expect(() => catalog.apply(sources)).toThrow(ManifestRefused);
    expect(() => catalog.apply(sources)).toThrow(message);
    expect([...feed.objects.keys()]).toEqual([]);
  });

  test("a host that another service has", () => {
    apply({ name: "first" });
    const text =
      "apiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: { name: second, annotations: { sluice.dev/hosts: first.default.example.com } }\nspec: { template: { spec: { containers: [{ image: x, command: [node, any-app.mjs] }] } } }";
    expect(() => catalog.apply([{ text, name: "second.yaml", folder: appsFolder }])).toThrow(
      "host first.default.example.com belongs to service default/first",
    );
    expect(feed.service("second")).toBeUndefined();
  });

  test("traffic to a revision that does not exist", () => {
    apply();
    expect(() => apply({ spec: ", traffic: [{ revisionName: hello-00009, percent: 100 }]" })).toThrow(
      "hello-00009",
    );
    expect(feed.service("hello")?.traffic).toEqual([{ revision: "hello-00001", percent: 100 }]);
  });
});

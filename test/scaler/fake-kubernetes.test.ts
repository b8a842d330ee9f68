import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { FakeKubernetes, toStatus, type FakeObject } from "../support/fake-kubernetes.ts";

interface Exchange {
  readonly name: string;
  readonly request: { method: string; path: string; headers: Record<string, string>; body: unknown };
  readonly response: { status: number; body?: unknown; events?: { type: string; object: FakeObject }[] };
}

const exchanges = JSON.parse(
  readFileSync(join(import.meta.dirname, "..", "vectors", "kubernetes-api.json"), "utf8"),
) as Exchange[];

function find(name: string): Exchange {
  const exchange = exchanges.find((entry) => entry.name === name);
  if (exchange === undefined) throw new Error(`not recorded: ${name}`);
  return exchange;
}

/** What differs between any two servers: identities, versions and times. */
function mask(value: unknown): unknown {
  return JSON.parse(
    JSON.stringify(value, (key, inner: unknown) =>
      ["uid", "resourceVersion", "creationTimestamp"].includes(key) ? "*" : inner,
    ),
  );
}

const hello: FakeObject = {
  metadata: { name: "hello", namespace: "default", labels: { app: "hello" } },
  spec: { replicas: 2, selector: { matchLabels: { app: "hello" } } },
  status: { replicas: 2 },
};

/**
 * The recorded server is the judge of the one that all other tests here run against: each recorded request gets the recorded
 * answer.
 */
describe("the API server in memory answers as the recorded one", () => {
  let api: FakeKubernetes;
  beforeEach(async () => {
    api = new FakeKubernetes();
    await api.start();
    api.put("/apis/apps/v1/deployments", hello);
  });
  afterEach(() => api.stop());

  async function send(exchange: Exchange): Promise<{ status: number; body: unknown }> {
    const { method, path, headers, body } = exchange.request;
    const answer = await fetch(api.url + path, {
      method,
      headers,
      ...(body === null ? {} : { body: JSON.stringify(body) }),
    });
    return { status: answer.status, body: await answer.json() };
  }

  /** The answer to a recorded request, without what differs between servers. */
  async function replay(name: string): Promise<unknown> {
    const answer = await send(find(name));
    return { status: answer.status, body: mask(answer.body) };
  }

  function recorded(name: string): unknown {
    const { status, body } = find(name).response;
    return { status, body: mask(body) };
  }

  test.each([
    "read the scale subresource",
    "set replicas by merge patch",
    "set replicas by json patch",
    "scale to zero by merge patch",
    "and back to two",
    "patch with a stale resourceVersion",
    "negative replicas",
    "scale of a deployment that does not exist",
    "create a lease",
  ])("%s", async (name) => {
    expect(await replay(name)).toEqual(recorded(name));
  });

  test("a lease that exists, is renewed, and is renewed from a stale copy", async () => {
    await send(find("create a lease"));
    expect(await replay("create it again")).toEqual(recorded("create it again"));
    const renewal = find("renew it");
    const current = api.get("/apis/coordination.k8s.io/v1/leases", "default", "sluice-scaler");
    const body = { ...(renewal.request.body as object), metadata: current?.metadata };
    const answer = await send({ ...renewal, request: { ...renewal.request, body } });
    expect({ ...answer, body: mask(answer.body) }).toEqual({
      status: 200,
      body: mask(renewal.response.body),
    });
    expect(await replay("renew from a stale copy")).toEqual(recorded("renew from a stale copy"));
  });

  test("a list without kinds of its members", async () => {
    const listed = find("list endpoint slices of a service").response.body as { items: FakeObject[] };
    for (const item of listed.items) api.put("/apis/discovery.k8s.io/v1/endpointslices", item);
    expect(await replay("list endpoint slices of a service")).toEqual(
      recorded("list endpoint slices of a service"),
    );
  });

  test("pages of a list that are of one moment, whatever changes between them", async () => {
    const path = "/apis/apps/v1/deployments";
    for (const name of ["one", "two"]) api.put(path, { metadata: { name, namespace: "default" } });
    const list = async (query: string): Promise<{ names: string[]; metadata: Record<string, string> }> => {
      const answer = await fetch(`${api.url}${path}?${query}`);
      const { items, metadata } = (await answer.json()) as {
        items: FakeObject[];
        metadata: Record<string, string>;
      };
      return { names: items.map((item) => item.metadata.name), metadata };
    };
    const first = await list("limit=2");
    api.put(path, { metadata: { name: "late", namespace: "default" } });
    const second = await list(`limit=2&continue=${first.metadata["continue"]}`);
    expect([first.names, second.names]).toEqual([["hello", "one"], ["two"]]);
    expect(second.metadata).toEqual({ resourceVersion: first.metadata["resourceVersion"] });
  });

  test("what a watch's selector does not find any more as deleted, as it was", async () => {
    const path = "/apis/apps/v1/deployments";
    const answer = await fetch(`${api.url}${path}?watch=true&labelSelector=x%3Dy&resourceVersion=1`);
    const put = (labels: Record<string, string>): FakeObject =>
      api.put(path, { metadata: { name: "labelled", namespace: "default", labels } });
    put({ x: "y" });
    put({ x: "y", z: "1" });
    const last = put({ z: "1" });
    const events = (await readEvents(answer, 3)) as { type: string; object: FakeObject }[];
    expect(events.map(({ type, object }) => [type, object.metadata["labels"]])).toEqual([
      ["ADDED", { x: "y" }],
      ["MODIFIED", { x: "y", z: "1" }],
      ["DELETED", { x: "y", z: "1" }],
    ]);
    expect(events.at(-1)?.object.metadata["resourceVersion"]).toBe(last.metadata["resourceVersion"]);
  });

  test("a watch with the changes as they come", async () => {
    const listed = find("list endpoint slices of a service").response.body as { items: FakeObject[] };
    for (const item of listed.items) api.put("/apis/discovery.k8s.io/v1/endpointslices", item);
    const exchange = find(
      "watch endpoint slices while two pods get an address, become ready, one terminates and goes, and the deployment scales to zero",
    );
    const events = exchange.response.events ?? [];
    const path = exchange.request.path.replace(/resourceVersion=\d+/, "resourceVersion=102");
    const answer = await fetch(api.url + path);
    for (const event of events) api.put("/apis/discovery.k8s.io/v1/endpointslices", event.object);
    expect(mask(await readEvents(answer, events.length))).toEqual(mask(events));
  });

  test("initial events streamed, and the bookmark that ends them", async () => {
    const exchange = find("watch deployments with initial events streamed");
    const events = exchange.response.events ?? [];
    const [first, bookmark] = events;
    if (first === undefined || bookmark === undefined) throw new Error("two events are recorded");
    api.put("/apis/apps/v1/deployments", first.object);
    const answer = await readEvents(await fetch(api.url + exchange.request.path), 2);
    expect(mask(answer[0])).toEqual(mask(first));
    // The recorded bookmark has empty fields of its kind besides; readers use the metadata only.
    expect(mask(answer[1])).toMatchObject({
      type: "BOOKMARK",
      object: { kind: "Deployment", apiVersion: "apps/v1", metadata: mask(bookmark.object.metadata) },
    });
  });

  test.each([
    ["no credentials", 403],
    ["bad token", 401],
    ["a service account without rights", 403],
  ])("%s, as a fault that a test asks for", async (name, status) => {
    const exchange = find(name);
    const { reason, message, details } = exchange.response.body as Record<string, string>;
    api.fault = () => ({ status, body: toStatus(status, reason ?? "", message ?? "", details) });
    const answer = await send(exchange);
    expect(answer).toEqual({ status: exchange.response.status, body: exchange.response.body });
  });

  test("a watch from a version that was forgotten ends with 410", async () => {
    api.put("/apis/apps/v1/deployments", hello);
    api.compact();
    const answer = await fetch(`${api.url}/apis/apps/v1/deployments?watch=true&resourceVersion=100`);
    expect(await readEvents(answer, 1)).toMatchObject([
      { type: "ERROR", object: { kind: "Status", code: 410, reason: "Expired" } },
    ]);
  });
});

async function readEvents(answer: Response, count: number): Promise<unknown[]> {
  const events: unknown[] = [];
  let text = "";
  for await (const chunk of answer.body?.pipeThrough(new TextDecoderStream()) ?? []) {
    text += chunk;
    const lines = text.split("\n");
    text = lines.pop() ?? "";
    events.push(...lines.map((line): unknown => JSON.parse(line)));
    if (events.length >= count) break;
  }
  return events;
}

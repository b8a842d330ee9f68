import { KubeConfig } from "@kubernetes/client-node";
import { randomUUID } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createSecureServer } from "node:https";
import type { AddressInfo } from "node:net";

export interface FakeObject {
  apiVersion?: string;
  kind?: string;
  metadata: Record<string, unknown> & { name: string; namespace?: string };
  spec?: Record<string, unknown>;
  status?: Record<string, unknown>;
  [field: string]: unknown;
}

export interface RecordedRequest {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly accept: string;
  readonly body: unknown;
}

interface WatchEvent {
  readonly version: number;
  readonly type: "ADDED" | "MODIFIED" | "DELETED";
  readonly object: FakeObject;
  /** As it was before a modification. */
  readonly previous: FakeObject | undefined;
}

interface Page {
  readonly version: number;
  readonly all: readonly FakeObject[];
  readonly start: number;
}

interface Watch {
  readonly target: Target;
  readonly isPartial: boolean;
  readonly selector: string;
  readonly response: ServerResponse;
}

interface Target {
  /** `apps/v1/deployments`, `v1/pods`. */
  readonly kind: string;
  readonly group: string;
  readonly version: string;
  readonly resource: string;
  readonly namespace: string;
  readonly name: string;
  readonly subresource: string;
}

interface Refusal {
  readonly status: number;
  readonly body: unknown;
}

type Answer = Refusal | "hang" | undefined;
type Fault = (request: RecordedRequest) => Answer | Promise<Answer>;

const kinds: Readonly<Record<string, string>> = {
  deployments: "Deployment",
  replicasets: "ReplicaSet",
  pods: "Pod",
  services: "Service",
  endpointslices: "EndpointSlice",
  endpoints: "Endpoints",
  leases: "Lease",
  events: "Event",
  secrets: "Secret",
  horizontalpodautoscalers: "HorizontalPodAutoscaler",
  mutatingwebhookconfigurations: "MutatingWebhookConfiguration",
};
const pathPattern =
  /^\/(?:api\/(v1)|apis\/([^/]+)\/([^/]+))(?:\/namespaces\/([^/]+))?\/([^/]+)(?:\/([^/]+))?(?:\/([^/]+))?$/;

function parseTarget(path: string): Target | undefined {
  const match = pathPattern.exec(path);
  if (match === null) return undefined;
  const [, core, group = "", version = "", namespace = "", resource = "", name = "", subresource = ""] =
    match;
  const kind = `${group === "" ? "" : `${group}/`}${core ?? version}/${resource}`;
  return { kind, group, version: core ?? version, resource, namespace, name, subresource };
}

/** `a=b`, `a`, `!a` and `a in (b,c)`, separated by commas. */
function matches(labels: Record<string, unknown>, selector: string): boolean {
  return selector
    .split(/,(?![^(]*\))/)
    .filter((part) => part !== "")
    .every((part) => {
      const inList = /^(\S+) in \(([^)]*)\)$/.exec(part);
      if (inList !== null) return (inList[2] ?? "").split(",").includes(String(labels[inList[1] ?? ""]));
      const [key = "", value] = part.split("=");
      if (value !== undefined) return labels[key] === value;
      return key.startsWith("!") ? !(key.slice(1) in labels) : key in labels;
    });
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** RFC 7396. */
function mergePatch(target: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return patch;
  const result: Record<string, unknown> = isObject(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key];
    else result[key] = mergePatch(result[key], value);
  }
  return result;
}

/** The part of RFC 6902 that is used against the API: set and remove by path. */
function jsonPatch(target: unknown, patch: unknown): unknown {
  const result: unknown = structuredClone(target);
  for (const { op, path, value } of patch as { op: string; path: string; value?: unknown }[]) {
    const keys = path.split("/").slice(1);
    const last = keys.pop() ?? "";
    let parent = result;
    for (const key of keys) {
      if (Array.isArray(parent)) parent = parent[Number(key)];
      else parent = isObject(parent) ? parent[key] : undefined;
    }
    if (!isObject(parent)) continue;
    if (op === "remove") delete parent[last];
    else parent[last] = value;
  }
  return result;
}

/**
 * An API server in memory that answers like the recorded one (`test/vectors/kubernetes-api.json`): list, watch with
 * bookmarks, create, replace, patch, the scale subresource, conflicts and refusals. `fault` makes it misbehave.
 */
export class FakeKubernetes {
  readonly requests: RecordedRequest[] = [];
  /** Asked before each request; a returned refusal is the answer. */
  fault: Fault = () => undefined;
  /** Called for each request before it is answered. */
  onRequest: (request: RecordedRequest) => void = () => undefined;
  readonly #server: Server;
  readonly #scheme: "http" | "https";
  readonly #objects = new Map<string, Map<string, FakeObject>>();
  readonly #events = new Map<string, WatchEvent[]>();
  readonly #watches = new Set<Watch>();
  /** The rest of lists by their tokens: all pages of a list are of one moment. */
  readonly #pages = new Map<string, Page>();
  #version = 100;
  #oldestVersion = 0;

  /** `pair` is the key and certificate of a server that speaks TLS, as every real one does. */
  constructor(pair?: { readonly key: Buffer; readonly cert: Buffer }) {
    const answer = (request: IncomingMessage, response: ServerResponse): void =>
      void this.#answer(request, response);
    this.#scheme = pair === undefined ? "http" : "https";
    this.#server = pair === undefined ? createServer(answer) : createSecureServer(pair, answer);
  }

  async start(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
  }

  /** As after an upgrade: every connection is gone, for a while nobody listens, and no history is left. */
  async restart(): Promise<void> {
    const { port } = this.#server.address() as AddressInfo;
    await this.stop();
    this.compact();
    await new Promise<void>((resolve) => this.#server.listen(port, "127.0.0.1", resolve));
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  get url(): string {
    return `${this.#scheme}://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  countConnections(): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.getConnections((error, count) => (error === null ? resolve(count) : reject(error)));
    });
  }

  /** The client takes plain HTTP only where certificates are not checked. */
  toConfig(): KubeConfig {
    const config = new KubeConfig();
    config.loadFromClusterAndUser(
      { name: "fake", server: this.url, skipTLSVerify: true },
      { name: "user", token: "t" },
    );
    return config;
  }

  /** Creates or replaces, as somebody else would. `path` is the collection, `/apis/apps/v1/deployments`. */
  put(path: string, object: FakeObject): FakeObject {
    const target = parseTarget(path);
    if (target === undefined) throw new Error(`not a path: ${path}`);
    return this.#store(target, object);
  }

  get(path: string, namespace: string, name: string): FakeObject | undefined {
    return this.#objects.get(parseTarget(path)?.kind ?? "")?.get(`${namespace}/${name}`);
  }

  list(path: string): FakeObject[] {
    return [...(this.#objects.get(parseTarget(path)?.kind ?? "")?.values() ?? [])];
  }

  remove(path: string, namespace: string, name: string): void {
    const target = parseTarget(path);
    const known = this.get(path, namespace, name);
    if (target === undefined || known === undefined) return;
    this.#objects.get(target.kind)?.delete(`${namespace}/${name}`);
    this.#version++;
    this.#publish(target.kind, "DELETED", {
      ...known,
      metadata: { ...known.metadata, resourceVersion: String(this.#version) },
    });
  }

  /** Ends every watch; with `midEvent` after half of a line. */
  cutWatches(midEvent = false): void {
    for (const { response } of this.#watches) {
      if (midEvent) response.write('{"type":"MODIFIED","object":{"metadata":{"na');
      response.destroy();
    }
  }

  /** Forgets its history, so that watches from before end with 410 `Expired`. */
  compact(): void {
    this.#oldestVersion = this.#version;
    this.#events.clear();
  }

  /** How often `method` was asked for a path that contains `part`; watches are told apart from lists. */
  count(method: string, part: string, isWatch = false): number {
    return this.requests.filter(
      (request) =>
        request.method === method &&
        request.path.includes(part) &&
        (request.query.get("watch") === "true") === isWatch,
    ).length;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "/", "http://fake");
    const chunks: Buffer[] = [];
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    const text = Buffer.concat(chunks).toString();
    const recorded: RecordedRequest = {
      method: request.method ?? "GET",
      path: url.pathname,
      query: url.searchParams,
      accept: request.headers.accept ?? "",
      body: text === "" ? undefined : JSON.parse(text),
    };
    this.requests.push(recorded);
    this.onRequest(recorded);
    const fault = await this.fault(recorded);
    if (fault === "hang") return;
    const target = parseTarget(url.pathname);
    if (fault !== undefined) write(response, fault.status, fault.body);
    else if (target === undefined) write(response, 404, "404 page not found");
    else this.#route(target, recorded, request.headers, response);
  }

  #route(
    target: Target,
    request: RecordedRequest,
    headers: IncomingMessage["headers"],
    response: ServerResponse,
  ): void {
    const { method, query, body } = request;
    const contentType = headers["content-type"] ?? "";
    const isPartial = headers.accept?.includes("as=PartialObjectMetadata") === true;
    if (method === "GET" && query.get("watch") === "true") this.#watch(target, query, isPartial, response);
    else if (method === "GET" && target.name === "")
      write(response, 200, this.#toList(target, query, isPartial));
    else if (method === "POST") this.#create(target, body as FakeObject, response);
    else if (target.subresource === "scale") this.#scale(target, request, contentType, response);
    else this.#one(target, request, contentType, response);
  }

  #key(target: Target): string {
    return `${target.namespace}/${target.name}`;
  }

  #selected(target: Target, selector: string): FakeObject[] {
    return [...(this.#objects.get(target.kind)?.values() ?? [])].filter(
      (object) =>
        (target.namespace === "" || object.metadata.namespace === target.namespace) &&
        matches((object.metadata["labels"] ?? {}) as Record<string, unknown>, selector),
    );
  }

  #toList(target: Target, query: URLSearchParams, isPartial: boolean): unknown {
    const token = query.get("continue");
    const { version, all, start } = this.#pages.get(token ?? "") ?? {
      version: this.#version,
      all: this.#selected(target, query.get("labelSelector") ?? ""),
      start: 0,
    };
    const limit = Number(query.get("limit") ?? 0) || all.length;
    const next = start + limit < all.length ? randomUUID() : undefined;
    if (next !== undefined) this.#pages.set(next, { version, all, start: start + limit });
    const metadata = {
      resourceVersion: String(version),
      ...(next === undefined ? {} : { continue: next }),
    };
    if (isPartial) {
      const items = all.slice(start, start + limit).map(toPartial);
      return { kind: "PartialObjectMetadataList", apiVersion: "meta.k8s.io/v1", metadata, items };
    }
    return {
      kind: `${kinds[target.resource] ?? ""}List`,
      apiVersion: toApiVersion(target),
      metadata,
      // Members of a list carry no kind of their own.
      items: all.slice(start, start + limit).map(({ kind: _kind, apiVersion: _version, ...rest }) => rest),
    };
  }

  #watch(target: Target, query: URLSearchParams, isPartial: boolean, response: ServerResponse): void {
    const selector = query.get("labelSelector") ?? "";
    const since = Number(query.get("resourceVersion") ?? 0);
    response.writeHead(200, { "content-type": "application/json" });
    const watch: Watch = { target, isPartial, selector, response };
    if (since > 0 && since < this.#oldestVersion) {
      const status = toStatus(410, "Expired", `too old resource version: ${since} (${this.#version})`);
      response.end(`${JSON.stringify({ type: "ERROR", object: status })}\n`);
      return;
    }
    response.flushHeaders();
    if (query.get("sendInitialEvents") === "true" || since === 0) {
      for (const object of this.#selected(target, selector)) this.#write(watch, "ADDED", object);
      if (query.get("sendInitialEvents") === "true") {
        this.#writeBookmark(watch, { annotations: { "k8s.io/initial-events-end": "true" } });
      }
    }
    for (const event of this.#events.get(target.kind) ?? []) {
      if (since > 0 && event.version > since) this.#offer(watch, event);
    }
    this.#watches.add(watch);
    response.on("close", () => this.#watches.delete(watch));
    const seconds = Number(query.get("timeoutSeconds") ?? 0);
    if (seconds > 0) setTimeout(() => response.end(), seconds * 1000).unref();
  }

  #writeBookmark(watch: Watch, metadata: Record<string, unknown>): void {
    const object = {
      kind: kinds[watch.target.resource],
      apiVersion: toApiVersion(watch.target),
      metadata: { resourceVersion: String(this.#version), ...metadata },
    };
    watch.response.write(`${JSON.stringify({ type: "BOOKMARK", object })}\n`);
  }

  #write(watch: Watch, type: string, object: FakeObject): void {
    const part = watch.isPartial ? toPartial(object) : object;
    watch.response.write(`${JSON.stringify({ type, object: part })}\n`);
  }

  /** An object that a watch's selector no longer finds is deleted to that watch, as it was; one that it finds now is new. */
  #offer(watch: Watch, { type, object, previous }: WatchEvent): void {
    const isInScope = watch.target.namespace === "" || object.metadata.namespace === watch.target.namespace;
    const isFound = (found: FakeObject): boolean =>
      matches((found.metadata["labels"] ?? {}) as Record<string, unknown>, watch.selector);
    if (!isInScope) return;
    const wasFound = previous !== undefined && isFound(previous);
    if (isFound(object)) {
      this.#write(watch, type === "MODIFIED" && !wasFound ? "ADDED" : type, object);
    } else if (wasFound) {
      const { resourceVersion } = object.metadata;
      this.#write(watch, "DELETED", { ...previous, metadata: { ...previous.metadata, resourceVersion } });
    }
  }

  #publish(kind: string, type: WatchEvent["type"], object: FakeObject, previous?: FakeObject): void {
    const events = this.#events.get(kind) ?? [];
    const event = { version: this.#version, type, object, previous };
    events.push(event);
    this.#events.set(kind, events);
    for (const watch of this.#watches) if (watch.target.kind === kind) this.#offer(watch, event);
  }

  #store(target: Target, object: FakeObject): FakeObject {
    const namespace = target.namespace === "" ? (object.metadata.namespace ?? "") : target.namespace;
    const objects = this.#objects.get(target.kind) ?? new Map<string, FakeObject>();
    this.#objects.set(target.kind, objects);
    const key = `${namespace}/${object.metadata.name}`;
    const known = objects.get(key);
    this.#version++;
    const stored: FakeObject = {
      kind: kinds[target.resource] ?? target.resource,
      apiVersion: toApiVersion(target),
      ...object,
      metadata: {
        ...object.metadata,
        ...(namespace === "" ? {} : { namespace }),
        uid: known?.metadata["uid"] ?? object.metadata["uid"] ?? randomUUID(),
        resourceVersion: String(this.#version),
        creationTimestamp:
          known?.metadata["creationTimestamp"] ??
          object.metadata["creationTimestamp"] ??
          "2026-11-23T10:00:00Z",
      },
    };
    objects.set(key, stored);
    this.#publish(target.kind, known === undefined ? "ADDED" : "MODIFIED", stored, known);
    return stored;
  }

  #create(target: Target, body: FakeObject, response: ServerResponse): void {
    const generated = body.metadata["generateName"];
    const name = body.metadata.name ?? `${String(generated)}${randomUUID().slice(0, 5)}`;
    const named = { ...body, metadata: { ...body.metadata, name } };
    if (this.#objects.get(target.kind)?.has(`${target.namespace}/${name}`)) {
      const message = `${toQualified(target)} "${name}" already exists`;
      write(response, 409, toStatus(409, "AlreadyExists", message, toDetails({ ...target, name })));
      return;
    }
    write(response, 201, this.#store(target, named));
  }

  #conflict(target: Target): unknown {
    const message = `Operation cannot be fulfilled on ${toQualified(target)} "${target.name}": the object has been modified; please apply your changes to the latest version and try again`;
    return toStatus(409, "Conflict", message, toDetails(target));
  }

  #notFound(target: Target): unknown {
    return toStatus(404, "NotFound", `${toQualified(target)} "${target.name}" not found`, toDetails(target));
  }

  #isStale(known: FakeObject, body: unknown): boolean {
    const version =
      isObject(body) && isObject(body["metadata"]) ? body["metadata"]["resourceVersion"] : undefined;
    return version !== undefined && version !== known.metadata["resourceVersion"];
  }

  #one(target: Target, request: RecordedRequest, contentType: string, response: ServerResponse): void {
    const known = this.#objects.get(target.kind)?.get(this.#key(target));
    const { method, body } = request;
    if (known === undefined) write(response, 404, this.#notFound(target));
    else if (method === "GET") write(response, 200, known);
    else if (method === "DELETE") {
      this.remove(
        request.path.replace(/\/namespaces\/[^/]+/, "").replace(/\/[^/]+$/, ""),
        target.namespace,
        target.name,
      );
      write(response, 200, { kind: "Status", apiVersion: "v1", metadata: {}, status: "Success" });
    } else if (this.#isStale(known, body)) write(response, 409, this.#conflict(target));
    else write(response, 200, this.#store(target, this.#change(known, body, contentType)));
  }

  #change(known: FakeObject, body: unknown, contentType: string): FakeObject {
    if (contentType.startsWith("application/merge-patch")) return mergePatch(known, body) as FakeObject;
    if (contentType.startsWith("application/json-patch")) return jsonPatch(known, body) as FakeObject;
    return body as FakeObject;
  }

  #toScale(known: FakeObject): FakeObject {
    const { name, namespace, uid, resourceVersion, creationTimestamp } = known.metadata;
    const replicas = Number(known.spec?.["replicas"] ?? 1);
    const selector = known.spec?.["selector"] as { matchLabels?: Record<string, string> } | undefined;
    const labels = Object.entries(selector?.matchLabels ?? {}).map(([key, value]) => `${key}=${value}`);
    return {
      kind: "Scale",
      apiVersion: "autoscaling/v1",
      metadata: { name, namespace: String(namespace), uid, resourceVersion, creationTimestamp },
      // Kubernetes leaves a zero out.
      spec: replicas === 0 ? {} : { replicas },
      status: { replicas: Number(known.status?.["replicas"] ?? 0), selector: labels.join(",") },
    };
  }

  #scale(target: Target, request: RecordedRequest, contentType: string, response: ServerResponse): void {
    const known = this.#objects.get(target.kind)?.get(this.#key(target));
    if (known === undefined) {
      write(response, 404, this.#notFound(target));
      return;
    }
    const before = this.#toScale(known);
    const after = request.method === "GET" ? before : this.#change(before, request.body, contentType);
    const replicas = Number(after.spec?.["replicas"] ?? 0);
    if (request.method === "GET") write(response, 200, before);
    else if (this.#isStale(known, request.body)) write(response, 409, this.#conflict(target));
    else if (replicas < 0) write(response, 422, toInvalidScale(target.name, replicas));
    else
      write(
        response,
        200,
        this.#toScale(this.#store(target, { ...known, spec: { ...known.spec, replicas } })),
      );
  }
}

function toPartial({ metadata }: FakeObject): FakeObject {
  return { kind: "PartialObjectMetadata", apiVersion: "meta.k8s.io/v1", metadata };
}

function toApiVersion(target: Target): string {
  return target.group === "" ? target.version : `${target.group}/${target.version}`;
}

function toQualified(target: Target): string {
  return target.group === "" ? target.resource : `${target.resource}.${target.group}`;
}

function toDetails(target: Target): unknown {
  return {
    name: target.name,
    ...(target.group === "" ? {} : { group: target.group }),
    kind: target.resource,
  };
}

function toInvalidScale(name: string, replicas: number): unknown {
  const message = `Invalid value: ${replicas}: must be greater than or equal to 0`;
  const causes = [{ reason: "FieldValueInvalid", message, field: "spec.replicas" }];
  return toStatus(422, "Invalid", `Scale.autoscaling "${name}" is invalid: spec.replicas: ${message}`, {
    name,
    group: "autoscaling",
    kind: "Scale",
    causes,
  });
}

/** A refusal as the API server writes it. */
export function toStatus(code: number, reason: string, message: string, details?: unknown): unknown {
  return {
    kind: "Status",
    apiVersion: "v1",
    metadata: {},
    status: "Failure",
    message,
    reason,
    ...(details === undefined ? {} : { details }),
    code,
  };
}

function write(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify(body));
}

import { HttpMethod, RequestContext, type KubeConfig } from "@kubernetes/client-node";
import { request, type Dispatcher } from "undici";
import { ApiError } from "./api-error.ts";
import { ItemSplitter } from "./item-splitter.ts";

export interface CallOptions {
  readonly body?: unknown;
  /** Default `application/json`; patches name theirs. */
  readonly contentType?: string;
  /** Until the answer begins. Default 10,000. */
  readonly timeoutMs?: number;
}

/** What is asked of each object: all of it, or its metadata alone, which leaves the rest of large objects on the server. */
export type ObjectPart = "whole" | "metadata";

const asMetadata = "g=meta.k8s.io;v=v1";
const accepted = {
  whole: { list: "application/json", watch: "application/json" },
  metadata: {
    list: `application/json;as=PartialObjectMetadataList;${asMetadata}`,
    watch: `application/json;as=PartialObjectMetadata;${asMetadata}`,
  },
} as const;

export type ApiMethod = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

export const mergePatch = "application/merge-patch+json";
export const jsonPatch = "application/json-patch+json";

const callTimeoutMs = 10_000;
/**
 * An answer that does not begin for so long makes undici ask the connection for a sign of life (HTTP/2 PING), and end it
 * when none comes. Watches share it and would notice much later: they are silent for minutes.
 */
const pingAfterMs = 5000;
/** For the body, after the answer began. */
const bodyMs = 2000;
const listTimeoutMs = 30_000;
/** Etcd takes no larger ones. */
const maxObjectBytes = 8 * 1024 * 1024;
const maxErrorBytes = 64 * 1024;

/**
 * Requests to one API server, with the official client's credentials (in-cluster token, kubeconfig, exec plugins).
 * Bodies stay plain JSON: the client's generated models would cost several times the memory for each object that is
 * watched, and drop the fields of newer servers.
 */
export class ApiClient {
  readonly #config: KubeConfig;
  readonly #server: string;
  #dispatcher: Dispatcher | undefined;
  /** Requests by method and kind of path, for the metrics. */
  readonly #onCall: (method: string, isWatch: boolean) => void;

  constructor(config: KubeConfig, onCall: (method: string, isWatch: boolean) => void = () => undefined) {
    this.#config = config;
    this.#server = (config.getCurrentCluster()?.server ?? "").replace(/\/$/, "");
    this.#onCall = onCall;
  }

  /** The answer's JSON. Throws ApiError for every status but 2xx, and the network's own errors. */
  async call(method: ApiMethod, path: string, options: CallOptions = {}): Promise<unknown> {
    this.#onCall(method, false);
    const signal = AbortSignal.timeout((options.timeoutMs ?? callTimeoutMs) + bodyMs);
    const answer = await this.#send(method, path, signal, options);
    const text = await answer.body.text();
    if (answer.statusCode >= 300) throw ApiError.fromBody(answer.statusCode, text);
    return text === "" ? undefined : JSON.parse(text);
  }

  /** A page of a list: each member as it arrives, and in the end the rest of the answer. Throws as `call` does. */
  async list(path: string, part: ObjectPart, onItem: (item: unknown) => void): Promise<unknown> {
    this.#onCall("GET", false);
    const splitter = new ItemSplitter(maxObjectBytes, (text) => onItem(JSON.parse(text)));
    const signal = AbortSignal.timeout(listTimeoutMs);
    for await (const bytes of await this.#read(path, signal, accepted[part].list)) splitter.push(bytes);
    return JSON.parse(splitter.end());
  }

  /** Opens a watch; the caller reads the bytes and ends it through `signal`. */
  watch(path: string, part: ObjectPart, signal: AbortSignal): Promise<AsyncIterable<Buffer>> {
    this.#onCall("GET", true);
    return this.#read(path, signal, accepted[part].watch);
  }

  async close(): Promise<void> {
    await this.#dispatcher?.destroy();
  }

  async #read(path: string, signal: AbortSignal, accept: string): Promise<AsyncIterable<Buffer>> {
    const answer = await this.#send("GET", path, signal, {}, accept);
    if (answer.statusCode === 200) return answer.body as AsyncIterable<Buffer>;
    const text = await answer.body.text();
    throw ApiError.fromBody(answer.statusCode, text.slice(0, maxErrorBytes));
  }

  async #send(
    method: ApiMethod,
    path: string,
    signal: AbortSignal,
    options: CallOptions,
    accept = "application/json",
  ): Promise<Dispatcher.ResponseData> {
    const url = this.#server + path;
    const headers = { ...(await this.#authenticate(url)), accept };
    return request(url, {
      method,
      signal,
      // Watches are silent for long; their own deadline is the signal.
      bodyTimeout: 0,
      headersTimeout: Math.max(pingAfterMs, options.timeoutMs ?? callTimeoutMs),
      ...(this.#dispatcher === undefined ? {} : { dispatcher: this.#dispatcher }),
      ...(options.body === undefined
        ? { headers }
        : {
            headers: { ...headers, "content-type": options.contentType ?? "application/json" },
            body: JSON.stringify(options.body),
          }),
    });
  }

  /** Tokens expire and are read again by the client; its connections are made once and kept. */
  async #authenticate(url: string): Promise<Record<string, string>> {
    const context = new RequestContext(url, HttpMethod.GET);
    await this.#config.applySecurityAuthentication(context);
    this.#dispatcher ??= context.getDispatcher();
    return context.getHeaders();
  }
}

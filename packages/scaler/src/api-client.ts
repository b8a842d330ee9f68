import { HttpMethod, RequestContext, type KubeConfig } from "@kubernetes/client-node";
import { request, type Dispatcher } from "undici";
import { ApiError } from "./api-error.ts";

export interface CallOptions {
  readonly body?: unknown;
  /** Default `application/json`; patches name theirs. */
  readonly contentType?: string;
  /** Default 10,000. */
  readonly timeoutMs?: number;
}

export type ApiMethod = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

export const mergePatch = "application/merge-patch+json";
export const jsonPatch = "application/json-patch+json";

const callTimeoutMs = 10_000;
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
    const signal = AbortSignal.timeout(options.timeoutMs ?? callTimeoutMs);
    const answer = await this.#send(method, path, signal, options);
    const text = await answer.body.text();
    if (answer.statusCode >= 300) throw ApiError.fromBody(answer.statusCode, text);
    return text === "" ? undefined : JSON.parse(text);
  }

  /** Opens a watch; the caller reads the bytes and ends it through `signal`. */
  async watch(path: string, signal: AbortSignal): Promise<AsyncIterable<Buffer>> {
    this.#onCall("GET", true);
    const answer = await this.#send("GET", path, signal, {});
    if (answer.statusCode === 200) return answer.body as AsyncIterable<Buffer>;
    const text = await answer.body.text();
    throw ApiError.fromBody(answer.statusCode, text.slice(0, maxErrorBytes));
  }

  async close(): Promise<void> {
    await this.#dispatcher?.destroy();
  }

  async #send(
    method: ApiMethod,
    path: string,
    signal: AbortSignal,
    options: CallOptions,
  ): Promise<Dispatcher.ResponseData> {
    const url = this.#server + path;
    const headers = { ...(await this.#authenticate(url)), accept: "application/json" };
    return request(url, {
      method,
      signal,
      // Watches are silent for long; their own deadline is the signal.
      bodyTimeout: 0,
      headersTimeout: callTimeoutMs,
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

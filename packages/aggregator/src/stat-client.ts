import { decodeStat, statContentType, type Pod, type Stat } from "@sluice/core";
import { Agent, type Dispatcher } from "undici";

/** A sidecar's whole answer is at most 336 bytes; more is not a stat. */
const maxBodyBytes = 1024;
const timeoutMs = 3000;
const headers = { accept: statContentType };

/** Asks sidecars for their stat. */
export class StatClient {
  readonly #agent = new Agent({
    connections: 1,
    pipelining: 1,
    connect: { timeout: timeoutMs },
    headersTimeout: timeoutMs,
    bodyTimeout: timeoutMs,
    keepAliveTimeout: 4000,
    maxResponseSize: maxBodyBytes,
  });

  /** The last report of a pod's sidecar. Rejects when there is none, or what came is not one. */
  fetch(pod: Pod, options: { readonly keepAlive: boolean }): Promise<Stat> {
    const host = pod.address.includes(":") ? `[${pod.address}]` : pod.address;
    const origin = `http://${host}:${pod.ports.stats}`;
    return new Promise((resolve, reject) => {
      const handler = new StatHandler(pod.name, resolve, reject);
      this.#agent.dispatch(
        { origin, path: "/metrics", method: "GET", headers, reset: !options.keepAlive },
        handler,
      );
    });
  }

  async close(): Promise<void> {
    await this.#agent.destroy();
  }
}

/** One answer. No stream and no body object: thousands of pods are asked every second. */
class StatHandler implements Dispatcher.DispatchHandler {
  readonly #pod: string;
  readonly #resolve: (stat: Stat) => void;
  readonly #reject: (error: unknown) => void;
  #fault: Error | undefined;
  #body: Uint8Array | undefined;

  constructor(pod: string, resolve: (stat: Stat) => void, reject: (error: unknown) => void) {
    this.#pod = pod;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  onRequestStart(): void {
    // undici takes an object for a handler by this method; there is nothing to do yet.
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    answered: Readonly<Record<string, string | string[] | undefined>>,
  ): void {
    const type = answered["content-type"];
    if (status < 200 || status > 299) this.#fault = new Error(`${this.#pod} answered ${status}`);
    else if (type !== statContentType) this.#fault = new TypeError(`${this.#pod} answered ${String(type)}`);
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Uint8Array): void {
    this.#body = this.#body === undefined ? chunk : Buffer.concat([this.#body, chunk]);
  }

  onResponseEnd(): void {
    if (this.#fault !== undefined) {
      this.#reject(this.#fault);
      return;
    }
    try {
      this.#resolve(decodeStat(this.#body ?? new Uint8Array()));
    } catch (error) {
      this.#reject(error);
    }
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#reject(error);
  }
}

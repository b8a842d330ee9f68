import { decodeStat, statContentType, type Pod, type Stat } from "@sluice/core";
import { Agent, request } from "undici";

/** A sidecar's whole answer is at most 336 bytes; more is not a stat. */
const maxBodyBytes = 1024;
const timeoutMs = 3000;

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
  async fetch(pod: Pod, options: { readonly keepAlive: boolean }): Promise<Stat> {
    const host = pod.address.includes(":") ? `[${pod.address}]` : pod.address;
    const response = await request(`http://${host}:${pod.ports.stats}/metrics`, {
      dispatcher: this.#agent,
      headers: { accept: statContentType },
      reset: !options.keepAlive,
    });
    const body = await response.body.bytes();
    if (response.statusCode < 200 || response.statusCode > 299) {
      throw new Error(`${pod.name} answered ${response.statusCode}`);
    }
    if (response.headers["content-type"] !== statContentType) {
      throw new TypeError(`${pod.name} answered ${String(response.headers["content-type"])}`);
    }
    return decodeStat(body);
  }

  async close(): Promise<void> {
    await this.#agent.destroy();
  }
}

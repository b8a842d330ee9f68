import { Readable } from "node:stream";
import type { BodySink, Http2Client } from "./http2-client.ts";

/** A request's body that came over HTTP/2, for whoever needs a stream. */
export class Http2Body extends Readable implements BodySink {
  readonly #client: Http2Client;

  constructor(client: Http2Client) {
    super({ highWaterMark: 64 * 1024 });
    this.#client = client;
  }

  onBody(chunk: Buffer): boolean {
    return this.push(chunk);
  }

  onBodyEnd(): void {
    this.push(null);
  }

  override _read(): void {
    this.#client.resumeBody();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#client.releaseBody(this);
    callback(error);
  }
}

import { listen, type Logger } from "@sluice/kit";
import { createServer, type Server } from "node:https";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { reviewPod, type AdmissionOptions } from "./admission.ts";
import type { KeyPair } from "./certificate.ts";

export interface WebhookServerOptions extends AdmissionOptions {
  readonly address: string;
  readonly port: number;
  readonly log: Logger;
  /** Each answer and how long it took. */
  readonly onAnswer: (isAllowed: boolean, tookMs: number) => void;
}

/** The API server refuses bodies above 3 MiB itself. */
const maxBodyBytes = 4 * 1024 * 1024;
const requestTimeoutMs = 5000;

/** The mutating admission webhook: HTTPS for the API server, which sends every new pod that asks for the sidecar. */
export class WebhookServer {
  readonly #options: WebhookServerOptions;
  readonly #server: Server;

  constructor(options: WebhookServerOptions, pair: KeyPair) {
    this.#options = options;
    this.#server = createServer(
      { ...toContext(pair), headersTimeout: requestTimeoutMs, requestTimeout: requestTimeoutMs },
      (request, response) => void this.#answer(request, response),
    );
  }

  listen(): Promise<AddressInfo> {
    return listen(this.#server, this.#options.port, this.#options.address);
  }

  /** New connections get the new certificate; those that are open go on. */
  setCertificate(pair: KeyPair): void {
    this.#server.setSecureContext(toContext(pair));
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeIdleConnections();
      this.#server.closeAllConnections();
    });
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const startMs = performance.now();
    const path = request.url?.split("?")[0];
    if (request.method !== "POST" || path !== "/mutate") {
      response.writeHead(404).end();
      return;
    }
    try {
      const review = reviewPod(JSON.parse(await readBody(request)), this.#options);
      response.writeHead(200, { "content-type": "application/json" });
      response.end(JSON.stringify(review));
      const isAllowed = (review["response"] as { allowed?: unknown }).allowed === true;
      this.#options.onAnswer(isAllowed, performance.now() - startMs);
    } catch (error) {
      this.#options.log.warn({ error }, "an admission request could not be read");
      response.writeHead(400, { connection: "close" }).end("not an AdmissionReview\n");
    }
  }
}

function toContext(pair: KeyPair): { key: string; cert: string; minVersion: "TLSv1.2" } {
  return { key: pair.key, cert: pair.certificate, minVersion: "TLSv1.2" };
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > maxBodyBytes) throw new RangeError("the body is too large");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

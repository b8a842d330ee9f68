import type { Server } from "node:http";
import { createServer as createTlsServer, type Server as TlsServer, type TLSSocket } from "node:tls";
import type { Clock } from "@sluice/core";
import { createHttp1Server, Http2Front, shareWithHttp2 } from "@sluice/dataplane";
import { listen } from "@sluice/kit";
import type { CertificateStore } from "./certificate-store.ts";
import type { Pipeline } from "./pipeline.ts";

const headerTimeoutMs = 60_000;
/** Longer than proxies and load balancers in front keep theirs, so that it is never this side that closes first. */
const keepAliveTimeoutMs = 620_000;
const maxHeaderBytes = 64 * 1024;
const http1Options = { headerTimeoutMs, keepAliveTimeoutMs, maxHeaderBytes };
const handshakeTimeoutMs = 10_000;

/** Something that listens, and stops. */
export interface Listening {
  readonly port: number;
  listen(port: number, address: string): Promise<void>;
  /** Stops taking connections; unused ones are closed, the others when their responses are out. */
  stopListening(): void;
  /** Ends what is left, at once. */
  closeAll(): void;
}

/** One listener in front of a pipeline, for HTTP/1.1 and, by prior knowledge, HTTP/2. */
export class Gateway implements Listening {
  readonly #http1: Server;
  readonly #http2: Http2Front;
  #port = 0;

  constructor(pipeline: Pipeline, clock: Clock) {
    this.#http1 = createHttp1Server(pipeline, { ...http1Options, clock });
    this.#http2 = new Http2Front(pipeline, { headerTimeoutMs, maxHeaderBytes, clock });
    shareWithHttp2(this.#http1, this.#http2, headerTimeoutMs, clock);
  }

  get port(): number {
    return this.#port;
  }

  async listen(port: number, address: string): Promise<void> {
    this.#port = (await listen(this.#http1, port, address)).port;
  }

  stopListening(): void {
    this.#http1.close();
    this.#http2.goAway();
  }

  closeAll(): void {
    this.#http1.closeAllConnections();
    this.#http2.close();
  }
}

/** The same over TLS: the certificate by the name that the client asks for (SNI), HTTP/1.1 or HTTP/2 as ALPN agrees. */
export class TlsGateway implements Listening {
  readonly #tls: TlsServer;
  readonly #http1: Server;
  readonly #http2: Http2Front;
  readonly #certificates: CertificateStore;
  #port = 0;

  constructor(pipeline: Pipeline, certificates: CertificateStore, clock: Clock) {
    this.#certificates = certificates;
    this.#http1 = createHttp1Server(pipeline, { ...http1Options, clock });
    this.#http2 = new Http2Front(pipeline, { headerTimeoutMs, maxHeaderBytes, clock });
    this.#tls = createTlsServer({
      ALPNProtocols: ["h2", "http/1.1"],
      handshakeTimeout: handshakeTimeoutMs,
      SNICallback(name, callback) {
        callback(null, certificates.find(name));
      },
      ...this.#nameless,
    });
    this.#tls.on("secureConnection", (socket: TLSSocket) => {
      if (socket.alpnProtocol === "h2") this.#http2.accept(socket);
      else this.#http1.emit("connection", socket);
    });
    // A client that breaks its handshake off has its own logs.
    this.#tls.on("tlsClientError", (_error, socket) => socket.destroy());
  }

  /** For clients that name no host. */
  get #nameless() {
    return { ...this.#certificates.first, minVersion: "TLSv1.2" } as const;
  }

  /** Looks for certificates that were replaced; new connections get the new ones. */
  reload(): void {
    if (this.#certificates.reload()) this.#tls.setSecureContext(this.#nameless);
  }

  get port(): number {
    return this.#port;
  }

  async listen(port: number, address: string): Promise<void> {
    this.#port = (await listen(this.#tls, port, address)).port;
  }

  stopListening(): void {
    this.#tls.close();
    this.#http1.close();
    this.#http2.goAway();
  }

  closeAll(): void {
    this.#http1.closeAllConnections();
    this.#http2.close();
  }
}

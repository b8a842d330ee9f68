import type { Server } from "node:http";
import type { Server as HttpsServer } from "node:https";
import type { TLSSocket } from "node:tls";
import type { Clock } from "@sluice/core";
import { createHttp1Server, createHttps1Server, Http2Front, shareWithHttp2 } from "@sluice/dataplane";
import { listen } from "@sluice/kit";
import type { CertificateStore } from "./certificate-store.ts";
import type { Pipeline } from "./pipeline.ts";

/** Longer than proxies and load balancers in front keep theirs, so that it is never this side that closes first. */
const keepAliveTimeoutMs = 620_000;
const handshakeTimeoutMs = 10_000;

export interface GatewayOptions {
  readonly clock: Clock;
  /** How long a client may take to send a request's head. */
  readonly headerTimeoutMs: number;
  readonly maxHeaderBytes: number;
}

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

  constructor(pipeline: Pipeline, options: GatewayOptions) {
    this.#http1 = createHttp1Server(pipeline, { ...options, keepAliveTimeoutMs });
    this.#http2 = new Http2Front(pipeline, options);
    shareWithHttp2(this.#http1, this.#http2, options.headerTimeoutMs, options.clock);
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
  readonly #http1: HttpsServer;
  readonly #http2: Http2Front;
  readonly #certificates: CertificateStore;
  #port = 0;

  constructor(pipeline: Pipeline, certificates: CertificateStore, options: GatewayOptions) {
    this.#certificates = certificates;
    this.#http1 = createHttps1Server(
      pipeline,
      { ...options, keepAliveTimeoutMs },
      {
        ALPNProtocols: ["h2", "http/1.1"],
        handshakeTimeout: handshakeTimeoutMs,
        SNICallback(name, callback) {
          callback(null, certificates.find(name));
        },
        ...this.#nameless,
      },
    );
    this.#http2 = new Http2Front(pipeline, options);
    this.#shareByAlpn();
  }

  #shareByAlpn(): void {
    const acceptHttp1 = this.#http1.listeners("secureConnection");
    this.#http1.removeAllListeners("secureConnection");
    this.#http1.on("secureConnection", (socket: TLSSocket) => {
      if (socket.alpnProtocol === "h2") this.#http2.accept(socket);
      else for (const accept of acceptHttp1) accept.call(this.#http1, socket);
    });
    // A client that breaks its handshake off has its own logs.
    this.#http1.on("tlsClientError", (_error, socket: TLSSocket) => socket.destroy());
  }

  /** For clients that name no host. */
  get #nameless() {
    return { ...this.#certificates.first, minVersion: "TLSv1.2" } as const;
  }

  /** Looks for certificates that were replaced; new connections get the new ones. */
  reload(): void {
    if (this.#certificates.reload()) this.#http1.setSecureContext(this.#nameless);
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

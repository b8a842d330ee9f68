import { readFileSync } from "node:fs";
import type { Server as HttpServer } from "node:http";
import { join } from "node:path";
import type { Server, TLSSocket } from "node:tls";
import type { Logger } from "@sluice/kit";
import type { SidecarSettings } from "./settings.ts";
import { toTlsOptions } from "./tls-names.ts";

interface Certificate {
  readonly cert: Buffer;
  readonly key: Buffer;
}

/** The main port over TLS, and the watch over its certificate. */
export interface TlsListener {
  readonly server: Server;
  /** Looks whether the files have changed; new connections get the new certificate. */
  reload(): void;
}

/**
 * Undefined without a certificate: then there is no TLS port. HTTP/1.1 or HTTP/2 as ALPN agrees, into the same fronts as the plain
 * port.
 */
export function createTlsListener(
  settings: SidecarSettings,
  accept: { readonly http1: HttpServer; readonly http2: { accept(socket: TLSSocket): void } },
  log: Logger,
): TlsListener | undefined {
  const first = readCertificate(settings.certificateFolder);
  if (first === undefined) return undefined;
  const options = toTlsOptions({
    minVersion: settings.tlsMinVersion,
    maxVersion: settings.tlsMaxVersion,
    cipherSuites: settings.tlsCipherSuites,
    curves: settings.tlsCurves,
  });
  // Loaded only where it is needed: OpenSSL is a quarter of the time that a process takes to start.
  const server = process
    .getBuiltinModule("node:tls")
    // As plain ports have it: each turn's frames leave in one write, which must not wait for the last one's acknowledgement.
    .createServer({ ...options, ...first, ALPNProtocols: ["h2", "http/1.1"], noDelay: true });
  server.on("secureConnection", (socket: TLSSocket) => {
    if (socket.alpnProtocol === "h2") accept.http2.accept(socket);
    else accept.http1.emit("connection", socket);
  });
  let current = first;
  return {
    server,
    reload() {
      const now = readCertificate(settings.certificateFolder);
      if (now === undefined || isSame(now, current)) return;
      try {
        server.setSecureContext({ ...options, ...now });
        current = now;
        log.info("the certificate has changed; new connections get the new one");
      } catch (error) {
        // Half a rotation: the two files do not fit together yet. The old pair goes on, and the next look tries again.
        log.warn({ error }, "the new certificate cannot be used; the old one stays");
      }
    },
  };
}

function readCertificate(folder: string): Certificate | undefined {
  try {
    return { cert: readFileSync(join(folder, "tls.crt")), key: readFileSync(join(folder, "tls.key")) };
  } catch {
    // Not mounted, or in the middle of being replaced: the same as not there.
    return undefined;
  }
}

function isSame(one: Certificate, other: Certificate): boolean {
  return one.cert.equals(other.cert) && one.key.equals(other.key);
}

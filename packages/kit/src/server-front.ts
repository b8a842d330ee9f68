import { createServer, type Server, type ServerOptions } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { toPairDigest, type CertificateFolder } from "./certificate-folder.ts";
import type { Logger } from "./log.ts";

/** An HTTP server, or an HTTPS one that follows its certificate. `stop` ends the following. */
export interface ServerFront {
  readonly server: Server;
  stop(): void;
}

export interface CertificateSource {
  readonly folder: CertificateFolder;
  readonly reloadMs: number;
  readonly log: Logger;
}

/** Plain without a certificate; else HTTPS alone, never both on one port. Throws StartError for a pair that is none. */
export function createServerFront(
  options: ServerOptions & { readonly headersTimeout: number },
  certificate: CertificateSource | undefined,
): ServerFront {
  if (certificate === undefined) return { server: createServer(options), stop: () => undefined };
  const { folder, reloadMs, log } = certificate;
  const first = folder.readFirstPair();
  const server = createTlsServer({
    ...options,
    ...first,
    minVersion: "TLSv1.2",
    handshakeTimeout: options.headersTimeout,
  });
  let digest = toPairDigest(first);
  let isFailing = false;
  const reload = (): void => {
    try {
      const pair = folder.readPair();
      isFailing = false;
      if (toPairDigest(pair) === digest) return;
      server.setSecureContext({ ...pair, minVersion: "TLSv1.2" });
      digest = toPairDigest(pair);
      log.info("the certificate has changed; new connections get the new one");
    } catch (error) {
      // Half a rotation, or a folder that is gone: the old pair goes on, and the next look tries again.
      if (!isFailing) log.warn({ error }, "the new certificate cannot be used; the old one stays");
      isFailing = true;
    }
  };
  // A process that has nothing else to do must not live for this.
  const timer = setInterval(reload, reloadMs).unref();
  return { server, stop: () => clearInterval(timer) };
}

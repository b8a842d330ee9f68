import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createSecureContext } from "node:tls";
import { StartError } from "./start-error.ts";

/** A certificate and its key, PEM. */
export interface ServerCertificate {
  readonly cert: string;
  readonly key: string;
}

/** How a client knows that it talks to a server of ours. */
export interface ServerTrust {
  /** PEM of the authority that signs servers' certificates; undefined leaves it to the system's. */
  readonly authority: () => string | undefined;
  /** The name that certificates must carry; undefined for the host of the URL. */
  readonly serverName?: string;
}

/**
 * A mounted folder as Kubernetes makes it of a TLS Secret: `tls.crt` and `tls.key` of a server, and `ca.crt`, the authority by which
 * others' certificates are judged. Files are replaced while the process runs, so each question reads them anew.
 */
export class CertificateFolder {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  /** Throws when there is no pair, or when its halves do not belong together, as in the middle of a rotation. */
  readPair(): ServerCertificate {
    const pair = { cert: this.#read("tls.crt"), key: this.#read("tls.key") };
    createSecureContext(pair);
    return pair;
  }

  /** The same at the start: throws StartError, because a server that was asked for TLS must not go without. */
  readFirstPair(): ServerCertificate {
    try {
      return this.readPair();
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new StartError(
        `cannot serve TLS with the certificate in ${this.#path}: ${reason}`,
        "mount a folder with tls.crt and tls.key that belong together, or leave the setting away",
        { cause },
      );
    }
  }

  /** Undefined without `ca.crt`. */
  readAuthority(): string | undefined {
    return existsSync(join(this.#path, "ca.crt")) ? this.#read("ca.crt") : undefined;
  }

  #read(name: string): string {
    return readFileSync(join(this.#path, name), "utf8");
  }
}

/** The trust of a client with that folder, or with the system's authorities when there is none. */
export function toServerTrust(folder: string | undefined, serverName?: string): ServerTrust {
  const certificates = folder === undefined ? undefined : new CertificateFolder(folder);
  return {
    authority: () => certificates?.readAuthority(),
    ...(serverName !== undefined && { serverName }),
  };
}

/** For Node's `tls.connect` and whatever passes options on to it. */
export function toClientTls(trust: ServerTrust | undefined): { ca?: string; servername?: string } {
  const ca = trust?.authority();
  return {
    ...(ca !== undefined && { ca }),
    ...(trust?.serverName !== undefined && { servername: trust.serverName }),
  };
}

/** Tells one pair from the next without keeping either. */
export function toPairDigest({ cert, key }: ServerCertificate): string {
  return createHash("sha256").update(cert).update(key).digest("hex");
}

import { createHash, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createSecureContext, type SecureContext } from "node:tls";
import { LogOnce, StartError, type Logger } from "@sluice/kit";

interface PairFiles {
  readonly cert: Buffer;
  readonly key: Buffer;
}

interface Pair {
  readonly files: PairFiles;
  readonly digest: string;
  readonly names: readonly string[];
  readonly context: SecureContext;
}

/**
 * Certificates by the names that they are for, each from a folder with `tls.crt` and `tls.key` as a Secret is mounted. A pair that
 * is changed on disk is used for new connections after the next `reload`; one that cannot be read leaves the last good one.
 */
export class CertificateStore {
  readonly #folders: readonly string[];
  readonly #failures: LogOnce;
  readonly #pairs = new Map<string, Pair>();

  /** Throws StartError when a folder has no good pair. */
  constructor(folders: readonly string[], log: Logger) {
    this.#folders = folders;
    this.#failures = new LogOnce(log);
    for (const folder of folders) {
      try {
        this.#pairs.set(folder, readPair(folder));
      } catch (cause) {
        const message = `the certificate in ${folder} cannot be used: ${describe(cause)}`;
        throw new StartError(message, "put tls.crt and tls.key there, or leave the folder out", { cause });
      }
    }
  }

  /** The pair that serves whoever names nobody. */
  get first(): PairFiles | undefined {
    return this.#pairs.get(this.#folders[0] ?? "")?.files;
  }

  /** The certificate for a name: exact, then its wildcard, then that of the first folder (also without a name). */
  find(serverName: string | undefined): SecureContext | undefined {
    const name = serverName?.toLowerCase() ?? "";
    const wildcard = `*${name.slice(name.indexOf("."))}`;
    const pair =
      this.#findNamed(name) ?? this.#findNamed(wildcard) ?? this.#pairs.get(this.#folders[0] ?? "");
    return pair?.context;
  }

  /** Whether any pair is new. */
  reload(): boolean {
    let isChanged = false;
    for (const folder of this.#folders) {
      try {
        if (readDigest(folder) === this.#pairs.get(folder)?.digest) continue;
        this.#pairs.set(folder, readPair(folder));
        isChanged = true;
      } catch (error) {
        // In the middle of a rotation the two files do not fit together; the next look will find both.
        this.#failures.warn(`the new certificate in ${folder} cannot be used; the old one stays`, { error });
      }
    }
    return isChanged;
  }

  #findNamed(name: string): Pair | undefined {
    for (const pair of this.#pairs.values()) if (pair.names.includes(name)) return pair;
    return undefined;
  }
}

function readFiles(folder: string): PairFiles {
  return { cert: readFileSync(join(folder, "tls.crt")), key: readFileSync(join(folder, "tls.key")) };
}

function readDigest(folder: string): string {
  const { cert, key } = readFiles(folder);
  return createHash("sha256").update(cert).update(key).digest("hex");
}

function readPair(folder: string): Pair {
  const files = readFiles(folder);
  const digest = createHash("sha256").update(files.cert).update(files.key).digest("hex");
  const context = createSecureContext({ ...files, minVersion: "TLSv1.2" });
  return { files, digest, context, names: toNames(new X509Certificate(files.cert)) };
}

/** The DNS names of its subject alternative names; the common name no longer counts (RFC 9525 §2). */
function toNames(certificate: X509Certificate): string[] {
  const names = certificate.subjectAltName?.split(", ") ?? [];
  return names.filter((name) => name.startsWith("DNS:")).map((name) => name.slice(4).toLowerCase());
}

function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

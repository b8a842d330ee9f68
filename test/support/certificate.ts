import { execFileSync } from "node:child_process";
import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A folder as a kubelet mounts it of a TLS Secret, with a certificate that is its own authority; made by openssl. */
export class MountedCertificate implements Disposable {
  readonly folder: string;

  constructor(...names: string[]) {
    this.folder = mkdtempSync(join(tmpdir(), "sluice-certificate-"));
    this.replace(...names);
    copyFileSync(join(this.folder, "tls.crt"), join(this.folder, "ca.crt"));
  }

  /** Another pair in the same place, as at a rotation; the authority stays. */
  replace(...names: string[]): void {
    const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
    const files = ["-keyout", join(this.folder, "tls.key"), "-out", join(this.folder, "tls.crt")];
    const subject = ["-subj", `/CN=${names[0]}`, "-addext", `subjectAltName=${names.map(toName).join()}`];
    execFileSync("openssl", ["req", "-x509", ...key, ...files, "-days", "2", ...subject], {
      stdio: "ignore",
    });
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true });
  }
}

function toName(name: string): string {
  return /^[\d.]+$/.test(name) ? `IP:${name}` : `DNS:${name}`;
}

import { X509Certificate } from "node:crypto";

/** A certificate and its key, both as PEM. */
export interface KeyPair {
  readonly certificate: string;
  readonly key: string;
}

/** Everything that the webhook's TLS needs; kept in one Secret. */
export interface WebhookCertificates {
  /** Certificates that the API server has to trust: the newest authority first, then the one before. */
  readonly bundle: string;
  readonly authority: KeyPair;
  readonly server: KeyPair;
}

const dayMs = 86_400_000;
const renewAuthorityDays = 365;
const renewServerDays = 30;

function daysLeft(certificate: X509Certificate, nowMs: number): number {
  return (certificate.validToDate.getTime() - nowMs) / dayMs;
}

/** What has to be made anew: nothing, the server's certificate, or the authority with it. */
export function decideRenewal(
  certificates: WebhookCertificates | undefined,
  dnsNames: readonly string[],
  nowMs: number,
): "none" | "server" | "authority" {
  if (certificates === undefined) return "authority";
  try {
    const authority = new X509Certificate(certificates.authority.certificate);
    if (daysLeft(authority, nowMs) < renewAuthorityDays) return "authority";
    const server = new X509Certificate(certificates.server.certificate);
    const isNamed = dnsNames.every((name) => server.checkHost(name) !== undefined);
    return isNamed && daysLeft(server, nowMs) >= renewServerDays ? "none" : "server";
  } catch {
    // The Secret was edited by hand and holds no certificate.
    return "authority";
  }
}

/** Certificates that are good for a while: what is there, or new ones. The former authority stays trusted beside a new one. */
export async function renewCertificates(
  certificates: WebhookCertificates | undefined,
  dnsNames: readonly string[],
  nowMs: number,
): Promise<WebhookCertificates> {
  const renewal = decideRenewal(certificates, dnsNames, nowMs);
  if (renewal === "none" && certificates !== undefined) return certificates;
  // Loaded when it is needed, every other month by one replica: it is a tenth of this process's memory.
  const { createAuthority, createServerCertificate } = await import("./certificate-maker.ts");
  if (renewal === "server" && certificates !== undefined) {
    return {
      ...certificates,
      server: await createServerCertificate(certificates.authority, dnsNames, nowMs),
    };
  }
  const authority = await createAuthority(nowMs);
  const server = await createServerCertificate(authority, dnsNames, nowMs);
  const former = certificates?.authority.certificate ?? "";
  return { bundle: authority.certificate + former, authority, server };
}

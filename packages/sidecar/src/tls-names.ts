import type { SecureContextOptions } from "node:tls";

/** Go's names of the TLS 1.2 suites that it takes, and OpenSSL's. */
const cipherNames: Readonly<Record<string, string>> = {
  TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA: "ECDHE-ECDSA-AES128-SHA",
  TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA: "ECDHE-ECDSA-AES256-SHA",
  TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA: "ECDHE-RSA-AES128-SHA",
  TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA: "ECDHE-RSA-AES256-SHA",
  TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256: "ECDHE-ECDSA-AES128-GCM-SHA256",
  TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384: "ECDHE-ECDSA-AES256-GCM-SHA384",
  TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256: "ECDHE-RSA-AES128-GCM-SHA256",
  TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384: "ECDHE-RSA-AES256-GCM-SHA384",
  TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256: "ECDHE-RSA-CHACHA20-POLY1305",
  TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256: "ECDHE-ECDSA-CHACHA20-POLY1305",
};

/** In Go nothing turns these off while TLS 1.3 is allowed; in Node a list without them would. */
const alwaysOn = [
  "TLS_AES_128_GCM_SHA256",
  "TLS_AES_256_GCM_SHA384",
  "TLS_CHACHA20_POLY1305_SHA256",
] as const;

const curveNames: Readonly<Record<string, string>> = {
  CurveP256: "P-256",
  CurveP384: "P-384",
  CurveP521: "P-521",
  X25519: "X25519",
  X25519MLKEM768: "X25519MLKEM768",
  "P-256": "P-256",
  "P-384": "P-384",
  "P-521": "P-521",
};

export type TlsVersion = "TLSv1.2" | "TLSv1.3";

/** Throws RangeError for what is no version that Go's servers take here. */
export function parseTlsVersion(text: string): TlsVersion {
  if (text === "" || text === "1.3") return "TLSv1.3";
  if (text === "1.2") return "TLSv1.2";
  throw new RangeError("must be 1.2 or 1.3");
}

/** Suites by Go's names, as OpenSSL's; an empty text is undefined: the library's choice. Throws RangeError that names what it does not know. */
export function parseCipherSuites(text: string): string | undefined {
  const names = toList(text).filter((name) => !alwaysOn.some((on) => on === name));
  if (toList(text).length === 0) return undefined;
  return [...names.map((name) => find(cipherNames, name, "cipher suite")), ...alwaysOn].join(":");
}

export function parseCurves(text: string): string | undefined {
  const names = toList(text);
  return names.length === 0 ? undefined : names.map((name) => find(curveNames, name, "curve")).join(":");
}

function toList(text: string): string[] {
  return text
    .split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "");
}

function find(names: Readonly<Record<string, string>>, name: string, what: string): string {
  const known = Object.hasOwn(names, name) ? names[name] : undefined;
  if (known !== undefined) return known;
  const all = Object.keys(names).join(", ");
  throw new RangeError(
    `must be names of a ${what} that Go knows, and ${JSON.stringify(name)} is none (${all})`,
  );
}

export interface TlsChoice {
  readonly minVersion: TlsVersion;
  readonly maxVersion: TlsVersion;
  readonly cipherSuites: string | undefined;
  readonly curves: string | undefined;
}

export function toTlsOptions({
  minVersion,
  maxVersion,
  cipherSuites,
  curves,
}: TlsChoice): SecureContextOptions {
  return {
    minVersion,
    maxVersion,
    ...(cipherSuites !== undefined && { ciphers: cipherSuites }),
    ...(curves !== undefined && { ecdhCurve: curves }),
  };
}

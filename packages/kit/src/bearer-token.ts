import { createHash, timingSafeEqual } from "node:crypto";

/** A token, or a function that reads the current one (mounted tokens rotate). */
export type TokenSource = string | (() => string);

export function readToken(source: TokenSource): string {
  return typeof source === "string" ? source : source();
}

/**
 * Whether `authorization` carries the token. Compares digests in constant time, so neither the token's length nor
 * how much of it was right can be learnt. An empty token matches nothing.
 */
export function hasToken(authorization: string | undefined, source: TokenSource): boolean {
  const token = readToken(source);
  const given = /^Bearer +(\S+)$/i.exec(authorization ?? "")?.[1];
  if (token === "" || given === undefined) return false;
  return timingSafeEqual(digest(given), digest(token));
}

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}

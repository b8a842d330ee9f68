import { systemClock, type Clock } from "@sluice/core";
import { createHash, timingSafeEqual } from "node:crypto";
import { readFileSync } from "node:fs";

/** A token, or a function that reads the current one (mounted tokens rotate). */
export type TokenSource = string | (() => string);

export function readToken(source: TokenSource): string {
  return typeof source === "string" ? source : source();
}

/** How long a token that was read is used before its file is looked at again. */
const tokenFileMs = 1000;

/**
 * The token in a file, which may be replaced at any time: read at most once a second. While the file cannot be read the
 * last token stays; throws only when there never was one.
 */
export function createTokenFile(path: string, clock: Clock = systemClock): () => string {
  let token: string | undefined;
  let readAtMs = 0;
  return () => {
    const nowMs = clock.monotonic();
    if (token !== undefined && nowMs - readAtMs < tokenFileMs) return token;
    readAtMs = nowMs;
    try {
      token = readFileSync(path, "utf8").trim();
    } catch (error) {
      if (token === undefined) throw error;
    }
    return token;
  };
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

const maxNames = 256;

/**
 * Headers that no table may keep, so that nobody can find them out by trying (RFC 7541 §7.1.3): those that are secret by nature, and
 * those that some peer marked so, which holds for whom they are passed on to as well.
 */
const names: Set<string> = new Set(["authorization", "cookie", "proxy-authorization", "set-cookie"]);

export function isUnindexed(name: string): boolean {
  return names.has(name);
}

export function markUnindexed(name: string): void {
  if (names.size < maxNames) names.add(name);
}

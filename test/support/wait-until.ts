/** Polls `look` until it gives something other than undefined or false; throws with `what` when that takes too long. */
export async function waitUntil<T>(
  what: string,
  look: () => T | undefined | false | Promise<T | undefined | false>,
  limitMs = 15_000,
): Promise<T> {
  const endMs = performance.now() + limitMs;
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    if (performance.now() > endMs) throw new Error(`still waiting after ${limitMs} ms for ${what}`);
    await new Promise<void>((resolve) => void setTimeout(resolve, 10));
  }
}

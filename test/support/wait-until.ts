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

/** Resolves when the number is above 0 and has not changed for a while: whoever moves it waits for something. */
export async function untilStill(read: () => number): Promise<void> {
  let before = 0;
  for (let looks = 0; looks < 20; looks++) {
    const now = read();
    if (now !== before || now === 0) looks = 0;
    before = now;
    await new Promise<void>((resolve) => void setTimeout(resolve, 10));
  }
}

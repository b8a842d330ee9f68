/** Bytes of one write of a snapshot; a reader that is slow holds no more than this and the socket's own buffer. */
const chunkChars = 64 * 1024;

/**
 * Every object at one version, as stream lines in chunks that are encoded when the first watcher needs them and then
 * shared by all: fifty watchers that come at once cost one encoding.
 */
export class WatchSnapshot {
  /** The number in the version. */
  readonly number: number;
  readonly #version: string;
  /** Key and serialised object, alternating. */
  readonly #texts: readonly string[];
  readonly #chunks: Buffer[] = [];
  #next = 0;
  #isComplete = false;

  constructor(epoch: string, number: number, objects: ReadonlyMap<string, string>) {
    this.number = number;
    this.#version = `${epoch}.${number}`;
    const texts: string[] = [];
    for (const [key, json] of objects) texts.push(key, json);
    this.#texts = texts;
  }

  /** Chunk `index`, or undefined after the last. */
  chunk(index: number): Buffer | undefined {
    while (this.#chunks.length <= index && !this.#isComplete) this.#chunks.push(this.#encodeNext());
    return this.#chunks[index];
  }

  #encodeNext(): Buffer {
    let text = this.#next === 0 ? `{"type":"snapshot-begin","version":"${this.#version}"}\n` : "";
    while (text.length < chunkChars && this.#next < this.#texts.length) {
      text += toPutLine(this.#version, this.#texts[this.#next] ?? "", this.#texts[this.#next + 1] ?? "");
      this.#next += 2;
    }
    if (this.#next >= this.#texts.length) {
      this.#isComplete = true;
      text += `{"type":"snapshot-end","version":"${this.#version}"}\n`;
    }
    return Buffer.from(text);
  }
}

export function toPutLine(version: string, key: string, json: string): string {
  return `{"type":"put","version":"${version}","key":${JSON.stringify(key)},"object":${json}}\n`;
}

import { ConnectionFault, errorCode } from "./error-code.ts";

/** Bits of each byte's code, and of the end-of-string code behind them (RFC 7541 appendix B). The code is canonical: the lengths say all. */
const codeLengths: readonly number[] = `
  13 23 28 28 28 28 28 28 28 24 30 28 28 30 28 28 28 28 28 28 28 28 30 28 28 28 28 28 28 28 28 28
  6 10 10 12 13 6 8 11 10 10 8 11 8 6 6 6 5 5 5 6 6 6 6 6 6 6 7 8 15 6 12 10
  13 6 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 8 7 8 13 19 13 14 6
  15 5 6 5 6 5 6 6 6 5 7 7 6 6 6 5 6 7 6 5 5 6 7 7 7 7 7 15 11 14 13 28
  20 22 20 20 22 22 22 23 22 23 23 23 23 23 24 23 24 24 22 23 24 23 23 23 23 21 22 23 22 23 23 24
  22 21 20 22 22 23 23 21 23 22 22 24 21 22 23 23 21 21 22 21 23 22 23 23 20 22 22 22 23 22 22 23
  26 26 20 19 22 23 22 25 26 26 26 27 27 26 24 25 19 21 26 27 27 26 27 24 21 21 26 26 28 27 27 27
  20 24 20 21 22 21 21 23 22 22 25 25 24 24 26 23 26 27 26 26 27 27 27 27 27 28 27 27 27 27 27 26
  30`
  .trim()
  .split(/\s+/)
  .map(Number);

const endOfString = 256;
const longestPadding = 7;

/** The shortest code has 5 bits: so many bits hold at most so many bytes. */
export function maxDecodedBytes(encodedBytes: number): number {
  return Math.ceil((encodedBytes * 8) / 5);
}

/**
 * The code as a tree, walked four bits a step. A step's entry holds the node that it leads to (8 bits), the byte that it completes (8
 * bits), and whether there is one; no step completes two, as no code is that short.
 */
interface StepTable {
  readonly steps: Uint32Array;
  /** Nodes where a string may end: on the way to end-of-string, and no more than seven bits of it (RFC 7541 §5.2). */
  readonly isEnd: Uint8Array;
}

const hasByte = 0x1_0000;
const isForbidden = 0x2_0000;

let table: StepTable | undefined;

/** Decodes `bytes[from, to)` into `out`, which has room (`maxDecodedBytes`); returns how many bytes that were. */
export function decodeHuffman(bytes: Uint8Array, from: number, to: number, out: Uint8Array): number {
  table ??= createStepTable();
  const { steps, isEnd } = table;
  let node = 0;
  let size = 0;
  for (let at = from; at < to; at++) {
    const byte = bytes[at] ?? 0;
    const high = steps[(node << 4) | (byte >>> 4)] ?? isForbidden;
    if ((high & hasByte) !== 0) out[size++] = (high >>> 8) & 0xff;
    const low = steps[((high & 0xff) << 4) | (byte & 0xf)] ?? isForbidden;
    if ((low & hasByte) !== 0) out[size++] = (low >>> 8) & 0xff;
    if (((high | low) & isForbidden) !== 0)
      throw new ConnectionFault(errorCode.compression, "end-of-string code");
    node = low & 0xff;
  }
  if (isEnd[node] !== 1) throw new ConnectionFault(errorCode.compression, "Huffman padding that is none");
  return size;
}

/** Two children a node: another node, or a symbol below zero, as its complement. */
function createTree(): Int16Array {
  const tree = new Int16Array(2 * codeLengths.length);
  const symbols = codeLengths.map((_, symbol) => symbol);
  symbols.sort((one, other) => (codeLengths[one] ?? 0) - (codeLengths[other] ?? 0) || one - other);
  let nodes = 1;
  let code = 0;
  let length = 0;
  for (const symbol of symbols) {
    const bits = codeLengths[symbol] ?? 0;
    code *= 2 ** (bits - length);
    length = bits;
    let at = 0;
    for (let bit = bits - 1; bit > 0; bit--) {
      const child = 2 * at + ((code >>> bit) & 1);
      at = tree[child] || (tree[child] = nodes++);
    }
    tree[2 * at + (code & 1)] = ~symbol;
    code++;
  }
  return tree;
}

function createStepTable(): StepTable {
  const tree = createTree();
  const steps = new Uint32Array(256 * 16);
  for (let node = 0; node < 256; node++) {
    for (let nibble = 0; nibble < 16; nibble++) steps[(node << 4) | nibble] = toStep(tree, node, nibble);
  }
  const isEnd = new Uint8Array(256);
  for (let bits = 0, node = 0; bits <= longestPadding; bits++) {
    isEnd[node] = 1;
    node = tree[2 * node + 1] ?? 0;
  }
  return { steps, isEnd };
}

function toStep(tree: Int16Array, from: number, nibble: number): number {
  let node = from;
  let completed = 0;
  for (let bit = 3; bit >= 0; bit--) {
    const child = tree[2 * node + ((nibble >>> bit) & 1)] ?? 0;
    if (child >= 0) {
      node = child;
      continue;
    }
    if (~child === endOfString) return isForbidden;
    completed = hasByte | (~child << 8);
    node = 0;
  }
  return completed | node;
}

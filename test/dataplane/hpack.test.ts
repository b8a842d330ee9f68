import { connect } from "node:http2";
import { createServer, type AddressInfo } from "node:net";
import fc from "fast-check";
import { systemClock } from "@sluice/core";
import { Http2Front } from "@sluice/dataplane";
import { describe, expect, onTestFinished, test } from "vitest";
import { HpackDecoder } from "../../packages/dataplane/src/http2/hpack-decoder.ts";
import { HpackEncoder } from "../../packages/dataplane/src/http2/hpack-encoder.ts";
import { usedBytes } from "../support/used-bytes.ts";

type Fields = readonly (readonly [string, string])[];

function decode(decoder: HpackDecoder, block: Buffer): Fields {
  const fields: [string, string][] = [];
  decoder.decode(block, 0, block.length, {
    onField: (name, value, flaw) => {
      expect(flaw).toBeUndefined();
      fields.push([name, value]);
    },
  });
  return fields;
}

function encode(encoder: HpackEncoder, fields: Fields): Buffer {
  encoder.begin();
  for (const [name, value] of fields) expect(encoder.field(name, value)).toBe(true);
  // The encoder's memory is shared.
  return Buffer.from(encoder.finish());
}

const request = [
  [":method", "GET"],
  [":scheme", "http"],
  [":path", "/"],
  [":authority", "www.example.com"],
] as const;
const noCache = ["cache-control", "no-cache"] as const;
const second = [...request, noCache] as const;
const third = [
  [":method", "GET"],
  [":scheme", "https"],
  [":path", "/index.html"],
  [":authority", "www.example.com"],
  ["custom-key", "custom-value"],
] as const;

describe("blocks of RFC 7541 appendix C decode to what it says", () => {
  test.each<[string, readonly string[]]>([
    [
      "C.3, without Huffman code",
      [
        "828684410f7777772e6578616d706c652e636f6d",
        "828684be58086e6f2d6361636865",
        "828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565",
      ],
    ],
    [
      "C.4, with Huffman code",
      [
        "828684418cf1e3c2e5f23a6ba0ab90f4ff",
        "828684be5886a8eb10649cbf",
        "828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf",
      ],
    ],
  ])("%s", (_name, blocks) => {
    const decoder = new HpackDecoder();
    const decoded = blocks.map((block) => decode(decoder, Buffer.from(block, "hex")));
    expect(decoded).toEqual([request, second, third]);
  });

  test("C.2: a field that is added, one that is not, one that never may be, one of the table", () => {
    const blocks = [
      "400a637573746f6d2d6b65790d637573746f6d2d686561646572",
      "040c2f73616d706c652f70617468",
      "100870617373776f726406736563726574",
      "82",
      "be",
    ];
    const decoder = new HpackDecoder();
    expect(blocks.flatMap((block) => decode(decoder, Buffer.from(block, "hex")))).toEqual([
      ["custom-key", "custom-header"],
      [":path", "/sample/path"],
      ["password", "secret"],
      [":method", "GET"],
      ["custom-key", "custom-header"],
    ]);
  });
});

describe("what our encoder says, our decoder understands", () => {
  const name = fc.stringMatching(/^[a-z][a-z0-9-]{0,20}$/);
  const value = fc.stringMatching(/^[\x21-\x7e]{0,40}$/);
  // Few different ones, so that they repeat.
  const fields = fc.array(
    fc.tuple(
      fc.oneof(name, fc.constantFrom("x-a", "x-b", "date", ":path", "set-cookie", "content-type")),
      fc.oneof(value, fc.constantFrom("1", "2", "y".repeat(200), "z".repeat(3000))),
    ),
    { maxLength: 12 },
  );

  test("for any messages one after the other, while the table's size changes and some messages are given up", () => {
    const step = fc.record({ fields, size: fc.option(fc.nat({ max: 5000 })), isGivenUp: fc.boolean() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const encoder = new HpackEncoder();
        const decoder = new HpackDecoder();
        for (const { fields, size, isGivenUp } of steps) {
          if (size !== null) encoder.resize(size);
          const block = encode(encoder, fields);
          if (isGivenUp) encoder.abandon();
          expect(isGivenUp ? fields : decode(decoder, block)).toEqual(fields);
        }
      }),
      { numRuns: 300, seed: 20261126 },
    );
  });

  test("a field that repeats becomes one byte, and does so again after others came between", () => {
    const encoder = new HpackEncoder();
    const repeated = [["user-agent", "grpc-go/1.75.0"]] as const;
    const sizes = [1, 2, 3].map(() => encode(encoder, repeated).length);
    expect(sizes).toEqual([17, 16, 1]);
    for (let count = 0; count < 100; count++) encode(encoder, [["x-request-id", String(count)]]);
    expect(encode(encoder, repeated).length).toBe(1);
  });

  test("secrets are never kept, and what a peer marked secret is not either", () => {
    const encoder = new HpackEncoder();
    for (const secret of ["authorization", "set-cookie"]) {
      for (let count = 0; count < 3; count++)
        expect(encode(encoder, [[secret, "hunter2"]])[0]).toBeGreaterThanOrEqual(0x10);
      for (let count = 0; count < 3; count++)
        expect(encode(encoder, [[secret, "hunter2"]])[0]).toBeLessThan(0x20);
    }
    encode(encoder, [["x-api-key", "abc"]]);
    decode(new HpackDecoder(), Buffer.from("1009782d6170692d6b657903616263", "hex"));
    for (let count = 0; count < 3; count++) expect(encode(encoder, [["x-api-key", "abc"]])[0]).toBe(0x10);
  });

  test.each([
    ["a line break", "x-a", "b\r\nc: d"],
    ["a name that is none", "x a", "b"],
    ["a character that is no byte, which would be cut down to a line feed", "x-a", "b\u010ac"],
  ])("%s is left out", (_what, name, value) => {
    const encoder = new HpackEncoder();
    encoder.begin();
    expect(encoder.field(name, value)).toBe(false);
    expect(encoder.field("x-b", "1")).toBe(true);
    expect(decode(new HpackDecoder(), Buffer.from(encoder.finish()))).toEqual([["x-b", "1"]]);
  });
});

test("every byte that a value may have comes through Node's Huffman code", async () => {
  const bytes = Array.from({ length: 256 }, (_, byte) => byte).filter(
    (byte) => byte >= 0x20 && byte !== 0x7f,
  );
  const texts = bytes.map((byte) => `a${String.fromCharCode(byte).repeat(20)}z`);
  const seen: (readonly string[])[] = [];
  const front = new Http2Front(
    {
      handleStream({ client, rawHeaders }) {
        seen.push(rawHeaders);
        client.sendHead(204, []);
        client.end();
      },
    },
    { headerTimeoutMs: 10_000, maxHeaderBytes: 65_536, clock: systemClock },
  );
  const server = createServer((socket) => front.accept(socket));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const session = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  onTestFinished(() => {
    session.destroy();
    server.close();
  });
  for (const text of texts) {
    const stream = session.request({ ":path": "/", "x-text": text }).resume();
    await new Promise((resolve) => stream.on("close", resolve));
  }
  expect(seen.map((headers) => headers[headers.indexOf("x-text") + 1])).toEqual(texts);
});

describe("a connection keeps no more of its peer's fields than the tables hold", () => {
  const mebibyte = 1024 * 1024;
  const large = (index: number, length: number): string => String(index).padStart(length, "x");

  test("100 decoders, which saw 500 fields of 4,000 bytes each", () => {
    const before = usedBytes();
    const decoders = Array.from({ length: 100 }, () => new HpackDecoder());
    for (const decoder of decoders) {
      for (let index = 0; index < 500; index++) {
        const value = large(index, 4000);
        const length = [0x7f, 0xa1, 0x1e];
        const block = Buffer.concat([Buffer.from([0x40, 1, 0x61, ...length]), Buffer.from(value)]);
        decoder.decode(block, 0, block.length, { onField: () => undefined });
      }
    }
    expect(usedBytes() - before).toBeLessThan(5 * mebibyte);
    expect(decoders.length).toBe(100);
  });

  test.each([
    ["values", 20, 60_000],
    ["names", 30_000, 10],
  ])("an encoder that said 500 large %s", (_what, nameLength, valueLength) => {
    const before = usedBytes();
    const encoder = new HpackEncoder();
    for (let index = 0; index < 500; index++)
      encode(encoder, [[large(index, nameLength), large(index, valueLength)]]);
    expect(usedBytes() - before).toBeLessThan(5 * mebibyte);
    expect(encode(encoder, [["a", "b"]]).length).toBeGreaterThan(0);
  });

  test("a table that shrinks and grows between two blocks: the decoder hears of both (RFC 7541 §4.2)", () => {
    const encoder = new HpackEncoder();
    encoder.resize(0);
    encoder.resize(4096);
    expect([...encode(encoder, [[":method", "GET"]])]).toEqual([0x20, 0x3f, 0xe1, 0x1f, 0x82]);
  });
});

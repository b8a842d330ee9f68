import { expect, test } from "vitest";
import { LogRing, type LogLine } from "../../packages/local/src/log-ring.ts";

function toLine(text: string, source = "pod-a"): LogLine {
  return { at: "2026-11-23T10:00:00.000Z", source, container: "app", text };
}

test("the last lines are kept, oldest first", () => {
  const ring = new LogRing(3);
  for (const text of ["1", "2", "3", "4", "5"]) ring.add(toLine(text));
  expect(ring.tail(10, () => true).map(({ text }) => text)).toEqual(["3", "4", "5"]);
  expect(ring.tail(2, () => true).map(({ text }) => text)).toEqual(["4", "5"]);
});

test("only wanted lines count", () => {
  const ring = new LogRing(10);
  ring.add(toLine("a1"));
  ring.add(toLine("b1", "pod-b"));
  ring.add(toLine("a2"));
  expect(ring.tail(5, ({ source }) => source === "pod-a").map(({ text }) => text)).toEqual(["a1", "a2"]);
});

test("a follower gets later lines until it stops", () => {
  const ring = new LogRing(10);
  const seen: string[] = [];
  ring.add(toLine("before"));
  const stop = ring.follow(({ text }) => seen.push(text));
  ring.add(toLine("during"));
  stop();
  ring.add(toLine("after"));
  expect(seen).toEqual(["during"]);
});

test("a line that is too long is cut", () => {
  const ring = new LogRing(1);
  ring.add(toLine("x".repeat(10_000)));
  expect(ring.tail(1, () => true)[0]?.text.length).toBe(4097);
});

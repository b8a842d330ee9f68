import { expect, test } from "vitest";
import { formatAge, formatTable } from "../../packages/cli/src/table.ts";

test("columns are as wide as their widest cell", () => {
  expect(
    formatTable(
      ["NAME", "PODS", ""],
      [
        ["helloworld-go", "1/1", ""],
        ["a", "10/10", "panic"],
      ],
    ),
  ).toBe(["NAME           PODS", "helloworld-go  1/1", "a              10/10  panic"].join("\n"));
});

test.each([
  [0, "0s"],
  [119_999, "119s"],
  [120_000, "2m"],
  [7_200_000, "2h"],
  [172_800_000, "2d"],
  [-5, "0s"],
])("%d ms ago is %s", (elapsedMs, expected) => {
  expect(formatAge(1_000_000, 1_000_000 + elapsedMs)).toBe(expected);
});

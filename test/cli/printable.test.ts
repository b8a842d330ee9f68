import { expect, test } from "vitest";
import { toPrintable } from "../../packages/cli/src/printable.ts";

test.each([
  ["plain, with umlauts ü and \t tabs", "plain, with umlauts ü and \t tabs"],
  ["\u001b[31mred\u001b[0m", "\u001b[31mred\u001b[0m"],
  ["\u001b]0;title\u0007", "\\x1b]0;title\\x07"],
  ["\u001b]52;c;ZXZpbA==\u001b\\", "\\x1b]52;c;ZXZpbA==\\x1b\\"],
  ["ok\rforged", "ok\\x0dforged"],
  ["up\u001b[1A\u001b[2K", "up\\x1b[1A\\x1b[2K"],
  ["C1 \u009b2J", "C1 \\x9b2J"],
  ["\b\b\u007f", "\\x08\\x08\\x7f"],
])("what an app logs is shown and not obeyed: %j", (text, shown) => {
  expect(toPrintable(text)).toBe(shown);
});

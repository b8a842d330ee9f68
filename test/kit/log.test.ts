import { LogOnce } from "@sluice/kit";
import { describe, expect, test } from "vitest";
import { createRecordingLog } from "../support/recording-log.ts";

describe("log", () => {
  test("a line is JSON with level, time, process name and the child's fields", () => {
    const { log, lines } = createRecordingLog();
    log
      .child({ revision: "default/a" })
      .warn({ error: new Error("broken", { cause: new Error("deep") }) }, "no");
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatchObject({ level: "warn", name: "test", revision: "default/a", msg: "no" });
    expect(JSON.stringify(lines[0]?.["error"])).toContain("deep");
    expect(new Date(String(lines[0]?.["time"])).getTime()).toBeGreaterThan(0);
  });

  test("a failure that repeats is one line until it changes, and one when it is over", () => {
    const { log, lines } = createRecordingLog();
    const once = new LogOnce(log);
    once.solved("fine");
    for (let i = 0; i < 5; i++) once.warn("no answer");
    once.warn("refused");
    once.solved("back");
    once.solved("back");
    once.warn("refused");
    expect(lines.map((line) => [line.level, line.msg, line["failures"]])).toEqual([
      ["warn", "no answer", undefined],
      ["warn", "refused", undefined],
      ["info", "back", 6],
      ["warn", "refused", undefined],
    ]);
  });
});

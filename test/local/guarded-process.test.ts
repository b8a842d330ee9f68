import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { expect, test } from "vitest";
import { spawnGuarded, type GuardedProcess } from "../../packages/local/src/guarded-process.ts";
import { isRunning, waitUntilGone } from "../support/process-life.ts";
import { waitUntil } from "../support/wait-until.ts";

/** Starts a shell script; its own pid, and those that it prints, are what the tests follow. */
function start(script: string, onLine: (line: string) => void = () => {}): GuardedProcess {
  return spawnGuarded(
    {
      command: "/bin/sh",
      args: ["-c", script],
      environment: { PATH: process.env["PATH"] ?? "" },
      workingDirectory: import.meta.dirname,
    },
    onLine,
  );
}

/** One child in the group, and one that leaves group and session; prints both pids. */
const familyScript = "sleep 1000 & echo $!; setsid sh -c 'echo $$; exec sleep 1000' & sleep 1000";

test("the program's own exit code and all of its output arrive", async () => {
  const lines: string[] = [];
  const child = start("echo one; echo two >&2; printf three; exit 7", (line) => lines.push(line));
  expect(await child.closed).toEqual({ code: 7, signal: undefined });
  expect(lines.toSorted()).toEqual(["one", "three", "two"]);
});

test("a signal reaches the program and shows in its exit status", async () => {
  const child = start("exec sleep 1000");
  child.signal("SIGTERM");
  expect(await child.exited).toEqual({ code: undefined, signal: "SIGTERM" });
});

test("a program that does not exist ends with 127", async () => {
  const child = spawnGuarded(
    { command: "/nowhere/program", args: [], environment: {}, workingDirectory: "/" },
    () => {},
  );
  expect(await child.exited).toEqual({ code: 127, signal: undefined });
});

test("its input reaches the program", async () => {
  const lines: string[] = [];
  const child = start("read -r line; echo got $line", (line) => lines.push(line));
  child.input.end("something\n");
  await child.closed;
  expect(lines).toEqual(["got something"]);
});

test.runIf(process.platform === "linux")(
  "kill ends every descendant, also one that left the group",
  async () => {
    const pids: number[] = [];
    const child = start(familyScript, (line) => pids.push(Number(line)));
    await waitUntil("both descendants", () => pids.length === 2);
    expect(pids.every(isRunning)).toBe(true);
    child.kill();
    expect((await child.closed).signal).toBe("SIGKILL");
    await waitUntilGone([child.pid, ...pids]);
  },
);

test.runIf(process.platform === "linux")(
  "descendants do not outlive a program that ends by itself",
  async () => {
    const pids: number[] = [];
    const child = start(familyScript.replace(/sleep 1000$/, "read -r _"), (line) => pids.push(Number(line)));
    await waitUntil("both descendants", () => pids.length === 2);
    child.input.end("\n");
    expect((await child.exited).code).toBe(0);
    await waitUntilGone(pids);
  },
);

test.runIf(process.platform === "linux")("nothing outlives a parent that is killed", async () => {
  const parent = spawn(
    process.execPath,
    [join(import.meta.dirname, "..", "support", "guarding-parent.ts"), familyScript],
    {
      stdio: ["ignore", "pipe", "inherit"],
    },
  );
  let text = "";
  parent.stdout.setEncoding("utf8").on("data", (part: string) => (text += part));
  const pids = await waitUntil("three pids", () => {
    const found = text.trim().split("\n").map(Number);
    return found.length === 3 && found;
  });
  expect(pids.every(isRunning)).toBe(true);
  parent.kill("SIGKILL");
  await once(parent, "exit");
  await waitUntilGone(pids);
});

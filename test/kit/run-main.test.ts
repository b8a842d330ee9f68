import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { join } from "node:path";
import { describe, expect, test } from "vitest";

const root = join(import.meta.dirname, "..", "..");

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the body of a `main.ts` in a real process. `onLine` sees each line of its standard output. */
async function runProcess(
  body: string,
  onLine?: (line: string, kill: (signal: NodeJS.Signals) => void) => void,
  args: readonly string[] = [],
): Promise<Ended> {
  const script = `import * as kit from "@sluice/kit"; import { createServer } from "node:net"; import { readFileSync } from "node:fs";\n${body}`;
  const child = spawn(process.execPath, ["--input-type=module", "--eval", script, "--", ...args], {
    cwd: root,
  });
  let stdout = "";
  let stderr = "";
  let seen = 0;
  child.stderr.on("data", (bytes: Buffer) => (stderr += bytes.toString()));
  child.stdout.on("data", (bytes: Buffer) => {
    stdout += bytes.toString();
    const lines = stdout.split("\n").slice(0, -1);
    for (; seen < lines.length; seen++) onLine?.(lines[seen] ?? "", (signal) => child.kill(signal));
  });
  const [code] = (await once(child, "close")) as [number | null];
  return { code, stdout, stderr };
}

const settingsBody = `
const table = { port: { variable: "PORT", kind: "port", required: true, summary: "Port." },
  level: { variable: "LEVEL", kind: "integer", default: 1, summary: "Level." } };
await kit.runMain(async () => void kit.parseSettings(table, { environment: { LEVEL: "x" }, args: process.argv.slice(1) }));`;

/** A process with a listener, two stop stages and a log; prints "ready" when it runs. */
const serviceBody = `
await kit.runMain(async () => {
  const log = kit.createLogger({ name: "test" });
  const server = createServer();
  await kit.listen(server, 0, "127.0.0.1");
  console.log("ready");
  return { log, stop: [
    { name: "close listeners", timeoutMs: 5000, run: () => new Promise((done) => server.close(done)) },
    { name: "drain", timeoutMs: 5000, run: (signal) => DRAIN },
    { name: "infrastructure", timeoutMs: 5000, run: () => console.log("infrastructure stopped") },
  ] };
});`;

describe("run main", () => {
  test("settings problems: a line each, exit code 64, no stack trace", async () => {
    const { code, stdout, stderr } = await runProcess(settingsBody);
    expect(code).toBe(64);
    expect(stdout).toBe("");
    expect(stderr).toBe('PORT must be set (port, 0 to 65535)\nLEVEL must be an integer, but is "x"\n');
  });

  test("--help: the settings on standard output, exit code 0", async () => {
    const { code, stdout, stderr } = await runProcess(settingsBody, undefined, ["--help"]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toContain("--port  PORT  (port, 0 to 65535; required)");
  });

  test("a port that is taken: one line with what, why and what next, exit code 1", async () => {
    const blocker = createServer();
    blocker.listen(0, "127.0.0.1");
    await once(blocker, "listening");
    const address = blocker.address();
    const port = typeof address === "object" ? address?.port : undefined;
    const ended = await runProcess(
      `await kit.runMain(async () => void (await kit.listen(createServer(), ${port}, "127.0.0.1")));`,
    );
    blocker.close();
    expect(ended).toEqual({
      code: 1,
      stdout: "",
      stderr: `cannot listen on 127.0.0.1:${port}: something else listens there; stop it, or choose another port (--help lists the settings)\n`,
    });
  });

  test.each([
    [
      'readFileSync("/no/such/file")',
      "cannot open /no/such/file: there is no such file; create it, or name another",
    ],
    [
      'await kit.listen(createServer(), 0, "192.0.2.1")',
      "cannot listen on 192.0.2.1: this machine does not have",
    ],
    ['throw new kit.StartError("no state", "run it again")', "no state; run it again\n"],
    ['throw new Error("two\\n lines")', "cannot start: two lines\n"],
    [
      'kit.openFeed("/no/feed.yaml", {})',
      "the feed file /no/feed.yaml does not exist; create it, or name a URL",
    ],
  ])("%s: one line, exit code 1", async (statement, message) => {
    const { code, stderr } = await runProcess(`await kit.runMain(async () => { ${statement}; });`);
    expect(code).toBe(1);
    expect(stderr).toContain(message);
    expect(stderr.trimEnd()).not.toContain("\n");
  });

  test.each(["SIGTERM", "SIGINT"] as const)(
    "%s: stages in order, log flushed, exit code 0",
    async (signal) => {
      // The drain waits with nothing else that would keep the process alive.
      const body = serviceBody.replace("DRAIN", `kit.waitInStage(clock, 30, signal)`);
      const withClock = `const { systemClock: clock } = await import("@sluice/core");${body}`;
      const { code, stdout } = await runProcess(withClock, (line, kill) => {
        if (line === "ready") kill(signal);
      });
      expect(code).toBe(0);
      const stages = stdout
        .split("\n")
        .filter((line) => line.startsWith("{"))
        .map((line) => JSON.parse(line) as unknown);
      expect(stages).toMatchObject([
        { stage: "close listeners", msg: "stop stage done" },
        { stage: "drain", msg: "stop stage done" },
        { stage: "infrastructure", msg: "stop stage done" },
      ]);
      expect(stdout).toContain("infrastructure stopped");
    },
  );

  test("a second signal ends a process that hangs while it stops; one right behind the first is the same Ctrl-C", async () => {
    const hang = `new Promise(() => { console.log("draining"); setTimeout(() => console.log("hangs"), 400); })`;
    const { code, stdout } = await runProcess(serviceBody.replace("DRAIN", hang), (line, kill) => {
      if (line === "ready" || line === "draining" || line === "hangs") kill("SIGINT");
    });
    expect(stdout).toContain("hangs");
    expect(code).toBe(130);
  });

  test("a process that cannot go on stops in order with exit code 1", async () => {
    const body = serviceBody
      .replace("DRAIN", "undefined")
      .replace("return { log,", 'return { log, ended: Promise.reject(new Error("state lost")),');
    const { code, stdout } = await runProcess(body);
    expect(code).toBe(1);
    expect(stdout).toContain("state lost");
    expect(stdout).toContain("infrastructure stopped");
  });

  test("a command that is done ends by itself", async () => {
    expect(await runProcess('await kit.runMain(async () => console.log("done"));')).toMatchObject({
      code: 0,
      stdout: "done\n",
    });
  });
});

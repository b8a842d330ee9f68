import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { StartError } from "@sluice/kit";
import { spawnGuarded, type GuardedProcess } from "@sluice/local";
import { ControlClient } from "./control-client.ts";

export interface ChildPlatformOptions {
  readonly root: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Manifests, or folders of them. */
  readonly paths: readonly string[];
  readonly spares?: number;
}

const startLimitMs = 30_000;
const stopLimitMs = 40_000;
const upMark = "sluice is up";
const freePorts = ["public", "admin", "internal", "aggregator", "feed"].flatMap((name) => [
  `--${name}-port`,
  "0",
]);

/** A `sluice up` of our own, on free ports and in a folder of its own, that cannot outlive this process. */
export class ChildPlatform {
  readonly control: ControlClient;
  /** Of `sluice up` itself. */
  readonly pid: number;
  /** Of its control socket. */
  readonly folder: string;
  readonly #process: GuardedProcess;

  private constructor(process: GuardedProcess, folder: string) {
    this.#process = process;
    this.folder = folder;
    this.pid = process.pid;
    this.control = new ControlClient(folder);
  }

  /** Resolves when it is up. Throws StartError with what it said when it does not come up. */
  static async start(options: ChildPlatformOptions): Promise<ChildPlatform> {
    const folder = mkdtempSync(join(tmpdir(), "sluice-"));
    const { promise: isUp, resolve } = Promise.withResolvers<boolean>();
    const said: string[] = [];
    const environment = Object.fromEntries(
      Object.entries(options.environment).flatMap(([name, value]) =>
        value === undefined ? [] : [[name, value]],
      ),
    );
    const spares = options.spares === undefined ? [] : ["--spares", String(options.spares)];
    const child = spawnGuarded(
      {
        command: process.execPath,
        args: [
          join(options.root, "packages", "cli", "src", "main.ts"),
          "up",
          ...options.paths,
          "--quiet",
          "--runtime-dir",
          folder,
          ...freePorts,
          ...spares,
        ],
        environment,
        workingDirectory: options.root,
      },
      (line) => {
        said.push(line);
        if (line.startsWith(upMark)) resolve(true);
      },
    );
    const timer = setTimeout(() => resolve(false), startLimitMs);
    void child.closed.then(() => resolve(false));
    const didStart = await isUp;
    clearTimeout(timer);
    if (didStart) return new ChildPlatform(child, folder);
    child.kill();
    rmSync(folder, { recursive: true, force: true });
    throw new StartError("the platform did not come up", `it said: ${said.slice(-5).join(" | ")}`);
  }

  /** Drains and stops everything; resolves with the exit code. */
  async stop(): Promise<number> {
    this.#process.signal("SIGTERM");
    const timer = setTimeout(() => this.#process.kill(), stopLimitMs);
    const { code } = await this.#process.closed;
    clearTimeout(timer);
    rmSync(this.folder, { recursive: true, force: true });
    return code ?? 1;
  }
}

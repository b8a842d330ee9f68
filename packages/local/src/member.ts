import { get } from "node:http";
import { StartError } from "@sluice/kit";
import type { Clock } from "@sluice/core";
import { spawnGuarded } from "./guarded-process.ts";
import type { LogRing } from "./log-ring.ts";
import type { ServiceName, ServiceProgram } from "./service-program.ts";
import { SupervisedProcess } from "./supervised-process.ts";

export interface MemberSpec {
  /** `activator-0`. */
  readonly name: string;
  readonly service: ServiceName;
  readonly program: ServiceProgram;
  readonly environment: Readonly<Record<string, string>>;
  readonly workingDirectory: string;
  /** Where it answers `/readyz`. */
  readonly readyUrl: string;
}

const pollMs = 10;
const readyLimitMs = 15_000;
const shownLines = 5;

/** An activator or aggregator of this machine: one process, started again whenever it ends. */
export class Member {
  readonly spec: MemberSpec;
  readonly #clock: Clock;
  readonly #logs: LogRing;
  readonly #process: SupervisedProcess;
  #crashes = 0;

  constructor(spec: MemberSpec, clock: Clock, logs: LogRing, onNotice: (text: string) => void) {
    this.spec = spec;
    this.#clock = clock;
    this.#logs = logs;
    this.#process = new SupervisedProcess(
      clock,
      () => spawnGuarded({ ...spec.program, ...spec }, (text) => this.#log(text)),
      {
        onStart: () => {},
        onCrash: ({ status, delayMs }) => {
          this.#crashes++;
          const how =
            status.signal === undefined ? `ended with code ${status.code}` : `was killed by ${status.signal}`;
          this.#log(`${how}; starting it again in ${delayMs} ms`);
          onNotice(`${spec.name} ${how}; starting it again`);
        },
      },
    );
  }

  get pid(): number | undefined {
    return this.#process.pid;
  }

  /** How often it ended by itself. */
  get crashes(): number {
    return this.#crashes;
  }

  start(): void {
    this.#process.start();
  }

  /** Resolves when it says that it is ready; rejects, with its last words, when it ends first or takes too long. */
  async waitUntilReady(): Promise<void> {
    const deadlineMs = this.#clock.monotonic() + readyLimitMs;
    while (!(await isReady(this.spec.readyUrl))) {
      if (this.#crashes > 0 || this.#clock.monotonic() > deadlineMs) throw this.#toStartError();
      await new Promise<void>((resolve) => void this.#clock.setTimer(resolve, pollMs));
    }
  }

  async stop(limitMs: number): Promise<void> {
    await this.#process.stop(limitMs);
  }

  kill(): void {
    this.#process.kill();
  }

  #toStartError(): StartError {
    const lines = this.#logs
      .tail(shownLines, (line) => line.source === this.spec.name)
      .map((line) => line.text);
    return new StartError(
      `${this.spec.name} did not become ready`,
      lines.length > 0 ? `it said:\n    ${lines.join("\n    ")}` : "it said nothing",
    );
  }

  #log(text: string): void {
    const at = new Date(this.#clock.now()).toISOString();
    this.#logs.add({ at, source: this.spec.name, container: this.spec.service, text });
  }
}

async function isReady(url: string): Promise<boolean> {
  return await new Promise((resolve) => {
    const call = get(url, { agent: false, timeout: 1000 }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    call.once("timeout", () => call.destroy());
    call.once("error", () => resolve(false));
  });
}

import { request } from "node:http";

export interface SteadyLoadOptions {
  readonly port: number;
  readonly host: string;
  readonly path: string;
  readonly clients: number;
}

export interface SteadyCount {
  readonly sent: number;
  /** Answers by status; `error` counts connections that broke or were refused. */
  readonly answers: Readonly<Record<string, number>>;
}

/** Clients that each send their next request when the last one has ended, whatever came of it. */
export class SteadyLoad {
  readonly #options: SteadyLoadOptions;
  readonly #answers: Record<string, number> = {};
  readonly #clients: Promise<void>[];
  #sent = 0;
  #isStopping = false;

  constructor(options: SteadyLoadOptions) {
    this.#options = options;
    this.#clients = Array.from({ length: options.clients }, async () => await this.#run());
  }

  get count(): SteadyCount {
    return { sent: this.#sent, answers: { ...this.#answers } };
  }

  /** Requests that were answered with 200. */
  get good(): number {
    return this.#answers["200"] ?? 0;
  }

  /** Resolves when every request that was sent has ended. */
  async stop(): Promise<SteadyCount> {
    this.#isStopping = true;
    await Promise.all(this.#clients);
    return this.count;
  }

  async #run(): Promise<void> {
    while (!this.#isStopping) {
      this.#sent++;
      const result = await this.#send();
      this.#answers[result] = (this.#answers[result] ?? 0) + 1;
      // Nobody listens for a moment: a client that asks again at once would only count refusals.
      if (result === "error") await new Promise<void>((resolve) => void setTimeout(resolve, 20));
    }
  }

  async #send(): Promise<string> {
    const { port, host, path } = this.#options;
    return await new Promise((resolve) => {
      const call = request({
        host: "127.0.0.1",
        port,
        path,
        agent: false,
        headers: { host },
        signal: AbortSignal.timeout(30_000),
      });
      call.once("error", () => resolve("error"));
      call.once("response", (response) => {
        response.once("error", () => resolve("error"));
        response.once("end", () => resolve(String(response.statusCode)));
        response.resume();
      });
      call.end();
    });
  }
}

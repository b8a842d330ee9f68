import { createServer } from "node:net";

/** Below the range that systems hand out to clients, so that no outgoing connection takes a port between test and use. */
const firstPort = 20_000;
const lastPort = 32_000;

/**
 * Ports for apps. Apps listen on all addresses, so each needs a number of its own. Two are kept tested and ready: a cold
 * start does not wait for the test.
 */
export class AppPorts {
  readonly #used = new Set<number>();
  readonly #ready: number[] = [];
  readonly #readyCount: number;
  #next: number;

  constructor(random: () => number, readyCount = 2) {
    this.#readyCount = readyCount;
    // Where we start differs from run to run, so that two platforms rarely look at the same numbers.
    this.#next = firstPort + Math.floor(random() * (lastPort - firstPort));
  }

  /** `wanted` when it is free (an app that cannot be told its port), else any. */
  async take(wanted?: number): Promise<number> {
    if (wanted !== undefined && !this.#used.has(wanted) && (await isFree(wanted))) {
      this.#used.add(wanted);
      return wanted;
    }
    const port = this.#ready.shift() ?? (await this.#find());
    void this.prepare();
    return port;
  }

  release(port: number): void {
    this.#used.delete(port);
  }

  async prepare(): Promise<void> {
    while (this.#ready.length < this.#readyCount) this.#ready.push(await this.#find());
  }

  async #find(): Promise<number> {
    for (let tries = lastPort - firstPort; tries > 0; tries--) {
      const port = this.#next;
      this.#next = port + 1 >= lastPort ? firstPort : port + 1;
      if (this.#used.has(port)) continue;
      // Taken before the test, so that nobody else tests the same one meanwhile.
      this.#used.add(port);
      if (await isFree(port)) return port;
      this.#used.delete(port);
    }
    throw new Error(`every port from ${firstPort} to ${lastPort} is taken`);
  }
}

async function isFree(port: number): Promise<boolean> {
  return await new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen({ host: "0.0.0.0", port, exclusive: true }, () => server.close(() => resolve(true)));
  });
}

import { connect } from "node:net";
import { join } from "node:path";
import type { Bench } from "./harness/bench.ts";
import { findFreePort } from "./harness/free-port.ts";
import { median } from "./harness/median.ts";
import { startProcess } from "./harness/started-process.ts";
import { startUpstream } from "./harness/upstream.ts";
import { toSidecarProcess } from "./subjects/sluice-proxies.ts";

const defaultRounds = 15;

export const bench: Bench = {
  question: "How long from the sidecar's start to its first answered request, beside Node's bare server?",
  async run(options) {
    const rounds = options.rounds ?? defaultRounds;
    const upstream = await startUpstream();
    const bareProgram = join(import.meta.dirname, "programs", "bare-server.ts");
    const subjects = {
      "node:http server, no proxy": (port: number) => ({
        command: process.execPath,
        args: [bareProgram, String(port)],
      }),
      "sidecar, bundled": (port: number) =>
        toSidecarProcess(10, upstream.port, { main: port, stats: 0, metrics: 0, admin: 0 }),
    };
    try {
      const times = new Map<string, number[]>(Object.keys(subjects).map((name) => [name, []]));
      for (let round = 1; round <= rounds; round++) {
        options.log(`start: round ${round}`);
        for (const [name, toProcess] of Object.entries(subjects)) {
          const port = await findFreePort();
          const startedMs = performance.now();
          const child = startProcess(toProcess(port));
          await firstAnswer(port);
          times.get(name)?.push(performance.now() - startedMs);
          await child.stop();
        }
      }
      return [
        {
          title: "Start to first answered request",
          columns: ["subject", "median ms", "fastest ms", "slowest ms"],
          rows: [...times].map(([name, each]) => [name, median(each), Math.min(...each), Math.max(...each)]),
          notes: [
            `${rounds} starts each, in turn; asked every millisecond; the sidecar's answer comes from ${upstream.name}`,
          ],
        },
      ];
    } finally {
      await upstream.stop();
    }
  },
};

/** Resolves with the first byte of an answer. */
function firstAnswer(port: number): Promise<void> {
  return new Promise((resolve) => {
    const attempt = (): void => {
      const socket = connect(port, "127.0.0.1");
      socket
        .on("error", () => setTimeout(attempt, 1))
        .on("connect", () => socket.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n"))
        .once("data", () => {
          socket.destroy();
          resolve();
        });
    };
    attempt();
  });
}

import { request } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import type { StartedProcess } from "./started-process.ts";

const limitMs = 15_000;

export interface WaitOptions {
  readonly host?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Between two questions; default 10. */
  readonly pauseMs?: number;
}

/** Resolves when `url` answers 200. Throws, with what the process said, when it ended or took too long. */
export async function waitUntilServed(
  url: string,
  owner: StartedProcess,
  { host, headers, pauseMs = 10 }: WaitOptions = {},
): Promise<void> {
  const startMs = performance.now();
  let status: number | undefined;
  while (performance.now() - startMs < limitMs && !owner.hasEnded()) {
    status = await readStatus(url, { ...headers, ...(host !== undefined && { host }) });
    if (status === 200) return;
    await delay(pauseMs);
  }
  const why = owner.hasEnded() ? "it ended" : `the last answer was ${status ?? "none"}`;
  throw new Error(`nothing good at ${url}: ${why}. It said:\n${owner.output()}`);
}

function readStatus(url: string, headers: Readonly<Record<string, string>>): Promise<number | undefined> {
  return new Promise((resolve) => {
    const sent = request(url, { headers, agent: false, timeout: 2000 }, (response) => {
      response.resume();
      response.on("close", () => resolve(response.statusCode));
    });
    sent.on("timeout", () => sent.destroy());
    sent.on("error", () => resolve(undefined));
    sent.end();
  });
}

import { request } from "node:http";
import { connect } from "node:http2";
import { setTimeout as delay } from "node:timers/promises";
import type { StartedProcess } from "./started-process.ts";

const limitMs = 15_000;

export interface WaitOptions {
  readonly host?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Between two questions; default 10. */
  readonly pauseMs?: number;
  /** Asks by HTTP/2 with prior knowledge. */
  readonly isHttp2?: boolean;
}

/** Resolves when `url` answers 200. Throws, with what the process said, when it ended or took too long. */
export async function waitUntilServed(
  url: string,
  owner: StartedProcess,
  { host, headers, pauseMs = 10, isHttp2 = false }: WaitOptions = {},
): Promise<void> {
  const startMs = performance.now();
  let status: number | undefined;
  while (performance.now() - startMs < limitMs && !owner.hasEnded()) {
    status = isHttp2
      ? await readHttp2Status(url, host)
      : await readStatus(url, { ...headers, ...(host !== undefined && { host }) });
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

function readHttp2Status(url: string, host: string | undefined): Promise<number | undefined> {
  return new Promise((resolve) => {
    const session = connect(url);
    const answer = (status: number | undefined): void => {
      session.destroy();
      resolve(status);
    };
    session.setTimeout(2000, () => answer(undefined));
    session.on("error", () => answer(undefined));
    session
      .request({ ":path": "/", ...(host !== undefined && { ":authority": host }) })
      .on("response", (headers) => answer(headers[":status"]))
      .on("error", () => answer(undefined));
  });
}

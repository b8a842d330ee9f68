import { request } from "node:http";

export interface TimedAnswer {
  readonly status: number;
  readonly body: string;
  /** From the first byte out to the last byte in, connection included. */
  readonly totalMs: number;
  /** From the first byte out to the first byte of the answer's body. */
  readonly firstByteMs: number;
  /** What the activator says the time went into; empty when it says nothing. */
  readonly serverTiming: string;
}

/** One GET to the gateway by address. `Host` is sent by us, because not every system resolves names below localhost. */
export async function sendTimed(
  port: number,
  host: string,
  path: string,
  timeoutMs: number,
): Promise<TimedAnswer> {
  return await new Promise((resolve, reject) => {
    const startMs = performance.now();
    const call = request({
      host: "127.0.0.1",
      port,
      path,
      agent: false,
      headers: { host },
      signal: AbortSignal.timeout(timeoutMs),
    });
    call.once("error", reject);
    call.once("response", (response) => {
      let body = "";
      let firstByteMs = 0;
      response.setEncoding("utf8");
      response.on("data", (text: string) => {
        firstByteMs ||= performance.now() - startMs;
        body += text;
      });
      response.once("error", reject);
      response.once("end", () =>
        resolve({
          status: response.statusCode ?? 0,
          body,
          firstByteMs,
          totalMs: performance.now() - startMs,
          serverTiming: String(response.headers["server-timing"] ?? ""),
        }),
      );
    });
    call.end();
  });
}

import { request as httpRequest } from "node:http";
import { connect } from "node:net";
import type { AppProbe } from "./app-probe.ts";
import { attemptGrpc, attemptHttp2 } from "./probe-attempt-http2.ts";

export type HttpProbe = Extract<AppProbe, { kind: "http" }>;

/**
 * Asks the app once. An app that refuses, breaks off or stays silent is not ready; nothing of that is an error here. `detectsHttp2`:
 * HTTP probes ask over h2c first (reference §1.8).
 */
export async function attemptProbe(
  probe: AppProbe,
  timeoutMs: number,
  detectsHttp2: boolean,
): Promise<boolean> {
  switch (probe.kind) {
    case "http":
      if (detectsHttp2 && (await attemptHttp2(probe, timeoutMs))) return true;
      return attemptHttp1(probe, timeoutMs);
    case "tcp":
      return attemptTcp(probe.host, probe.port, timeoutMs);
    case "grpc":
      return attemptGrpc(probe, timeoutMs);
    case "impossible":
      break;
  }
  return false;
}

const maxRedirects = 10;

/** 200 to 399 is ready; a redirect is followed, as Go's client does. */
function attemptHttp1(probe: HttpProbe, timeoutMs: number): Promise<boolean> {
  const signal = AbortSignal.timeout(timeoutMs);
  const url = new URL(`${probe.scheme}://${toProbeAuthority(probe)}${probe.path}`);
  return getStatus(url, probe.headers, signal, 0).then(
    (status) => status >= 200 && status < 400,
    () => false,
  );
}

export function toProbeAuthority(probe: HttpProbe): string {
  return probe.host.includes(":") ? `[${probe.host}]:${probe.port}` : `${probe.host}:${probe.port}`;
}

function getStatus(
  url: URL,
  headers: readonly string[],
  signal: AbortSignal,
  redirects: number,
): Promise<number> {
  return new Promise((resolve, reject) => {
    const options = {
      headers: [
        "Host",
        url.host,
        "User-Agent",
        "kube-probe//",
        "Connection",
        "close",
        ...withoutFixed(headers),
      ],
      signal,
      agent: false as const,
      setHost: false,
      // The kubelet does not verify the app's certificate either.
      rejectUnauthorized: false,
    };
    // TLS is loaded only for an app that is probed over it.
    const request =
      url.protocol === "https:"
        ? process.getBuiltinModule("node:https").request(url, options)
        : httpRequest(url, options);
    request.on("error", reject).on("response", (response) => {
      response.destroy();
      const status = response.statusCode ?? 0;
      const next = response.headers.location;
      if (status < 300 || status >= 400 || next === undefined || redirects >= maxRedirects) resolve(status);
      else getStatus(new URL(next, url), headers, signal, redirects + 1).then(resolve, reject);
    });
    request.end();
  });
}

/** `Host` and `User-Agent` among the probe's headers have no effect in Knative. */
function withoutFixed(headers: readonly string[]): string[] {
  const kept: string[] = [];
  for (let index = 0; index < headers.length; index += 2) {
    const name = headers[index] ?? "";
    if (!/^(?:host|user-agent)$/i.test(name)) kept.push(name, headers[index + 1] ?? "");
  }
  return kept;
}

function attemptTcp(host: string, port: number, timeoutMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: timeoutMs });
    const finish = (isUp: boolean): void => {
      socket.destroy();
      resolve(isUp);
    };
    socket
      .on("connect", () => finish(true))
      .on("error", () => finish(false))
      .on("timeout", () => finish(false));
  });
}

import { request as httpRequest } from "node:http";
import { connect } from "node:net";
import type { AppProbe } from "./app-probe.ts";

/** Asks the app once. An app that refuses, breaks off or stays silent is not ready; nothing of that is an error here. */
export function attemptProbe(probe: AppProbe, timeoutMs: number): Promise<boolean> {
  switch (probe.kind) {
    case "http":
      return attemptHttp(probe, timeoutMs);
    case "tcp":
      return attemptTcp(probe.host, probe.port, timeoutMs);
    case "grpc":
    case "impossible":
      break;
  }
  return Promise.resolve(false);
}

type HttpProbe = Extract<AppProbe, { kind: "http" }>;

const maxRedirects = 10;

/** 200 to 399 is ready; a redirect is followed, as Go's client does. */
function attemptHttp(probe: HttpProbe, timeoutMs: number): Promise<boolean> {
  const signal = AbortSignal.timeout(timeoutMs);
  return getStatus(
    new URL(`${probe.scheme}://${toAuthority(probe)}${probe.path}`),
    probe.headers,
    signal,
    0,
  ).then(
    (status) => status >= 200 && status < 400,
    () => false,
  );
}

function toAuthority(probe: HttpProbe): string {
  return probe.host.includes(":") ? `[${probe.host}]:${probe.port}` : `${probe.host}:${probe.port}`;
}

function getStatus(
  url: URL,
  headers: readonly string[],
  signal: AbortSignal,
  redirects: number,
): Promise<number> {
  return new Promise((resolve, reject) => {
    const lines = [
      "Host",
      url.host,
      "User-Agent",
      "kube-probe//",
      "Connection",
      "close",
      ...withoutHost(headers),
    ];
    const request = httpRequest(url, { headers: lines, signal, agent: false, setHost: false });
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

/** A `Host` among the probe's headers has no effect in Knative. */
function withoutHost(headers: readonly string[]): string[] {
  const kept: string[] = [];
  for (let index = 0; index < headers.length; index += 2) {
    const name = headers[index] ?? "";
    if (name.toLowerCase() !== "host") kept.push(name, headers[index + 1] ?? "");
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

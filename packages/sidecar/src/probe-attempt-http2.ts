import type { ClientHttp2Stream } from "node:http2";
import type { AppProbe } from "./app-probe.ts";
import type { HttpProbe } from "./probe-attempt.ts";

type GrpcProbe = Extract<AppProbe, { kind: "grpc" }>;

type ProbeHeaders = Readonly<Record<string, string | string[]>>;

/**
 * Whether the app answers 200 to 399 over h2c, by prior knowledge: to a plain GET that finds out whether it speaks h2c, then to one
 * with the probe's own headers, whose answer counts (reference §1.8).
 */
export async function attemptHttp2(probe: HttpProbe, timeoutMs: number): Promise<boolean> {
  return (await getReady(probe, timeoutMs, {})) && getReady(probe, timeoutMs, toHttp2Headers(probe.headers));
}

function getReady(probe: HttpProbe, timeoutMs: number, own: ProbeHeaders): Promise<boolean> {
  const headers = { "user-agent": "kube-probe//", ...own, ":path": probe.path };
  return askStream(probe.host, probe.port, timeoutMs, headers, undefined, (stream, answer) => {
    stream.on("response", (received) => {
      const status = received[":status"] ?? 0;
      answer(status >= 200 && status < 400);
    });
  });
}

/** About one HTTP/1.1 connection, so HTTP/2 forbids them (RFC 9113 §8.2.2); a `Host` has no effect in Knative. */
const leftOut: ReadonlySet<string> = new Set([
  "connection",
  "host",
  "keep-alive",
  "proxy-connection",
  "transfer-encoding",
  "upgrade",
]);

function toHttp2Headers(headers: readonly string[]): ProbeHeaders {
  const own: Record<string, string[]> = {};
  for (let index = 0; index < headers.length; index += 2) {
    const name = (headers[index] ?? "").toLowerCase();
    if (!leftOut.has(name)) (own[name] ??= []).push(headers[index + 1] ?? "");
  }
  return own;
}

/** grpc.health.v1.HealthCheckResponse with status SERVING: field 1, varint 1. */
const serving = Buffer.from([0x08, 0x01]);

/** grpc.health.v1.Health/Check; anything but SERVING is not ready. The two messages are small enough to be written out. */
export function attemptGrpc(probe: GrpcProbe, timeoutMs: number): Promise<boolean> {
  const headers = {
    ":method": "POST",
    ":path": "/grpc.health.v1.Health/Check",
    "content-type": "application/grpc",
    te: "trailers",
    "user-agent": "kube-probe//",
  };
  return askStream(
    "127.0.0.1",
    probe.port,
    timeoutMs,
    headers,
    toCheckRequest(probe.service),
    (stream, answer) => {
      const chunks: Buffer[] = [];
      stream.on("data", (chunk: Buffer) => chunks.push(chunk));
      // A message is a flag, four bytes of length, and its bytes.
      stream.on("end", () => answer(Buffer.concat(chunks).subarray(5).equals(serving)));
    },
  );
}

/** HealthCheckRequest: field 1, the service's name. */
function toCheckRequest(service: string): Buffer {
  const name = Buffer.from(service);
  const message =
    name.length === 0 ? name : Buffer.concat([Buffer.from([0x0a, ...toVarint(name.length)]), name]);
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

/** Seven bits a byte, the lowest first; the top bit says that more follow. */
function toVarint(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...toVarint(value >>> 7)];
}

function askStream(
  host: string,
  port: number,
  timeoutMs: number,
  headers: ProbeHeaders,
  body: Buffer | undefined,
  judge: (stream: ClientHttp2Stream, answer: (isReady: boolean) => void) => void,
): Promise<boolean> {
  return new Promise((resolve) => {
    // Loaded late, as in the data plane.
    const session = process
      .getBuiltinModule("node:http2")
      .connect(`http://${host.includes(":") ? `[${host}]` : host}:${port}`);
    const answer = (isReady: boolean): void => {
      clearTimeout(timer);
      session.destroy();
      resolve(isReady);
    };
    const timer = setTimeout(() => answer(false), timeoutMs);
    session.on("error", () => answer(false));
    try {
      const stream = session.request(headers, { endStream: body === undefined });
      stream.on("error", () => answer(false)).on("close", () => answer(false));
      judge(stream, answer);
      if (body !== undefined) stream.end(body);
    } catch {
      // A header that HTTP/2 cannot carry: the probe cannot be asked.
      answer(false);
    }
  });
}

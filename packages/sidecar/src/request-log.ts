import { toForwarded, type RequestHead } from "@sluice/dataplane";
import type { Arrival } from "./arrival.ts";
import type { Exchange } from "./exchange.ts";
import { toPlainText } from "./go-template/go-format.ts";
import { toGoRequest } from "./go-template/go-request.ts";
import type { GoTemplate } from "./go-template/go-template.ts";
import { toByteText } from "./go-template/go-text.ts";
import { GoStruct } from "./go-template/go-value.ts";
import { isProbe } from "./health-check.ts";
import type { AnsweredProbe, ExchangeRecorder } from "./pipeline.ts";

/** Names of the pod in the log, by Knative's field names. */
export type LogIdentity = Readonly<
  Record<"Name" | "Namespace" | "Service" | "Configuration" | "PodName" | "PodIP", string>
>;

export interface RequestLogOptions {
  readonly template: GoTemplate;
  /** Questions about the pod are logged, too. */
  readonly logsProbes: boolean;
  readonly identity: LogIdentity;
  /** Gets a line with its newline, a character per byte. */
  readonly write: (line: string) => void;
}

/** What a line is about, whoever answered it. */
interface LoggedAnswer {
  readonly arrival: Arrival;
  readonly head: RequestHead;
  readonly hasBody: boolean;
  readonly host: string;
  readonly status: number;
  readonly bodyBytes: number;
  readonly startedMs: number;
}

/** Writes a line for every request, by Knative's template (reference §1.11). */
export class RequestLog implements ExchangeRecorder {
  readonly #options: RequestLogOptions;
  readonly #revision: GoStruct;

  constructor(options: RequestLogOptions) {
    this.#options = options;
    const fields = Object.entries(options.identity).map(([name, value]) => [name, () => toByteText(value)]);
    this.#revision = new GoStruct("*http.RequestLogRevision", Object.fromEntries(fields));
  }

  onFinished(exchange: Exchange, nowMs: number): void {
    const { arrival, head, hasBody, askedHost, client, status, startedMs } = exchange;
    this.#log(
      { arrival, head, hasBody, host: askedHost, status, bodyBytes: client.bodyBytes, startedMs },
      nowMs,
    );
  }

  onProbed(probe: AnsweredProbe, nowMs: number): void {
    const { head, arrival } = probe;
    this.#log({ ...probe, hasBody: head.hasBody, host: head.host ?? arrival.authority ?? "" }, nowMs);
  }

  #log(answer: LoggedAnswer, nowMs: number): void {
    const { template, logsProbes, write } = this.#options;
    if (!logsProbes && isProbe(answer.head)) return;
    const latency = (nowMs - answer.startedMs) / 1000;
    let line: string;
    try {
      line = template(toLogData(answer, latency, this.#revision));
    } catch {
      // In Knative's words, which people look for.
      const { method, url } = answer.arrival;
      line = `Invalid request log template: method: ${method}, response code: ${answer.status}, latency: ${toPlainText(latency)}, url: ${url}\n`;
    }
    write(line);
  }
}

function toLogData(answer: LoggedAnswer, latency: number, revision: GoStruct): GoStruct {
  const response = new GoStruct("*http.RequestLogResponse", {
    Code: () => BigInt(answer.status),
    Size: () => BigInt(answer.bodyBytes),
    Latency: () => latency,
  });
  return new GoStruct("*http.RequestLogTemplateInput", {
    Request: () => toLoggedRequest(answer),
    Response: () => response,
    Revision: () => revision,
    TraceID: () => toTraceId(answer.head),
  });
}

function toLoggedRequest({ arrival, head, hasBody, host }: LoggedAnswer): GoStruct {
  const { contentLength, transferEncoding, connection } = head;
  const { remotePort = 0, encrypted } = arrival.socket;
  return toGoRequest({
    method: arrival.method,
    url: arrival.url,
    protocol: `HTTP/${arrival.httpVersion}`,
    host,
    remoteAddress: toHostAndPort(arrival.peerAddress, remotePort),
    headers: toLoggedHeaders(arrival.rawHeaders, head),
    contentLength: contentLength === undefined ? (hasBody ? -1n : 0n) : BigInt(contentLength),
    isChunked: transferEncoding !== undefined,
    isSecure: encrypted === true,
    closesConnection:
      connection === undefined ? arrival.httpVersion === "1.0" : /\bclose\b/i.test(connection),
  });
}

/** The headers as Knative's handlers leave them: without host and framing, `Forwarded` made up where it was missing. */
function toLoggedHeaders(rawHeaders: readonly string[], head: RequestHead): string[] {
  const kept: string[] = [];
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] ?? "";
    if (!/^(?:host|k-original-host|transfer-encoding|trailer|:.*)$/i.test(name))
      kept.push(name, rawHeaders[index + 1] ?? "");
  }
  const forwarded = toForwarded(head.forwardedFor, head.forwardedProto, head.forwardedHost);
  if ((head.forwarded ?? "") === "" && forwarded !== undefined) kept.push("Forwarded", forwarded);
  return kept;
}

function toHostAndPort(address: string, port: number): string {
  const plain = address.startsWith("::ffff:") ? address.slice(7) : address;
  return plain.includes(":") ? `[${plain}]:${port}` : `${plain}:${port}`;
}

/** The second part of W3C's header, else B3's. */
function toTraceId(head: RequestHead): string {
  const parts = (head.traceparent ?? "").split("-");
  return parts.length > 1 ? (parts[1] ?? "") : (head.b3TraceId ?? "");
}

import type { Exchange } from "./exchange.ts";
import type { LogRecord, LogTemplate } from "./log-template.ts";
import type { ExchangeRecorder } from "./pipeline.ts";

/** Names of the pod in the log, by Knative's field names. */
export type LogIdentity = Readonly<
  Record<"Name" | "Namespace" | "Service" | "Configuration" | "PodName" | "PodIP", string>
>;

/** Writes a line for every request, by Knative's template. Probes never come here. */
export class RequestLog implements ExchangeRecorder {
  readonly #template: LogTemplate;
  readonly #identity: LogIdentity;
  readonly #write: (line: string) => void;

  constructor(template: LogTemplate, identity: LogIdentity, write: (line: string) => void) {
    this.#template = template;
    this.#identity = identity;
    this.#write = write;
  }

  onQueued(): void {}

  onFinished(exchange: Exchange, nowMs: number): void {
    this.#write(`${this.#template(toRecord(exchange, nowMs, this.#identity))}\n`);
  }
}

function toRecord(exchange: Exchange, nowMs: number, identity: LogIdentity): LogRecord {
  const { head, client } = exchange;
  return {
    Request: {
      Method: exchange.method,
      RequestURI: exchange.path,
      ContentLength:
        head.contentLength === undefined ? (exchange.hasBody ? -1 : 0) : Number(head.contentLength),
      UserAgent: head.userAgent ?? "",
      RemoteAddr: exchange.peerAddress,
      Referer: head.referer ?? "",
      Proto: exchange.protocol,
      Host: exchange.host,
      header: (name) => findHeader(head.endToEnd, name),
    },
    Response: { Code: exchange.status, Size: client.bodyBytes, Latency: (nowMs - exchange.startedMs) / 1000 },
    Revision: identity,
    TraceID: head.traceparent?.split("-")[1] ?? head.b3TraceId ?? "",
  };
}

function findHeader(headers: readonly string[], name: string): string {
  const lower = name.toLowerCase();
  const index = headers.findIndex((each, at) => at % 2 === 0 && each.toLowerCase() === lower);
  return index === -1 ? "" : (headers[index + 1] ?? "");
}

import {
  defaultTextMapGetter,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
  type Attributes,
  type Context,
  type Span,
  type Tracer,
  type TracerProvider,
} from "@opentelemetry/api";
import { W3CTraceContextPropagator } from "@opentelemetry/core";
import type { Exchange, ExchangeTrace, ExchangeTracer } from "../exchange.ts";
import { isProbe } from "../health-check.ts";
import { toKnownMethod, toServerAddress } from "../metrics/http-attributes.ts";
import { toRouteTag } from "../metrics/route-tag.ts";

const propagator = new W3CTraceContextPropagator();

/** The spans of Knative's queue-proxy, by the same names: the client's request, our own part, the wait, and the app's part. */
export class SpanTracer implements ExchangeTracer {
  readonly #queue: Tracer;
  readonly #http: Tracer;
  readonly #appUrl: string;
  readonly #app: Attributes;

  constructor(provider: TracerProvider, app: { readonly address: string; readonly port: number }) {
    this.#queue = provider.getTracer("knative.dev/serving/pkg/queue");
    this.#http = provider.getTracer("go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp");
    const host = app.address.includes(":") ? `[${app.address}]` : app.address;
    this.#appUrl = `http://${host}:${app.port}`;
    this.#app = { "server.address": app.address, "server.port": app.port };
  }

  begin(exchange: Exchange): ExchangeTrace {
    const { head } = exchange;
    let context = readContext(exchange);
    let server: Span | undefined;
    if (!isProbe(head)) {
      const options = { kind: SpanKind.SERVER, attributes: toServerAttributes(exchange) };
      const method = toKnownMethod(exchange.method);
      server = this.#http.startSpan(method === "_OTHER" ? "HTTP" : method, options, context);
      context = trace.setSpan(context, server);
    }
    // A kubelet's probe of the app is no load, and Knative has no span of its own for it.
    if ((head.kubeletProbe ?? "") !== "") return new SpanTrace(exchange, this, context, server, undefined);
    const proxy = this.#queue.startSpan("kn.queueproxy.proxy", {}, context);
    return new SpanTrace(exchange, this, trace.setSpan(context, proxy), server, proxy);
  }

  startWait(context: Context): Span {
    return this.#queue.startSpan("kn.queueproxy.wait", {}, context);
  }

  startClient({ method, path, arrival }: Exchange, context: Context): Span {
    const attributes = {
      ...toMethodAttributes(method),
      "url.full": `${this.#appUrl}${path}`,
      ...this.#app,
      "network.protocol.version": arrival.httpVersion,
    };
    return this.#http.startSpan(`HTTP ${method}`, { kind: SpanKind.CLIENT, attributes }, context);
  }
}

/** The spans of one exchange. */
class SpanTrace implements ExchangeTrace {
  readonly #exchange: Exchange;
  readonly #tracer: SpanTracer;
  readonly #server: Span | undefined;
  readonly #proxy: Span | undefined;
  #context: Context;
  #wait: Span | undefined;
  #client: Span | undefined;

  constructor(
    exchange: Exchange,
    tracer: SpanTracer,
    context: Context,
    server: Span | undefined,
    proxy: Span | undefined,
  ) {
    this.#exchange = exchange;
    this.#tracer = tracer;
    this.#context = context;
    this.#server = server;
    this.#proxy = proxy;
  }

  onWaiting(): void {
    this.#wait = this.#tracer.startWait(this.#context);
    this.#context = trace.setSpan(this.#context, this.#wait);
  }

  onAdmitted(): void {
    this.#wait?.end();
    this.#client = this.#tracer.startClient(this.#exchange, this.#context);
    this.#context = trace.setSpan(this.#context, this.#client);
  }

  inject(headers: string[]): void {
    propagator.inject(this.#context, headers, { set: replaceHeader });
  }

  onFinished(): void {
    const { status, failure, requestBytes, client, forwardedAtMs } = this.#exchange;
    // Whoever left the line has waited until now.
    if (forwardedAtMs === 0) this.#wait?.end();
    endClient(this.#client, status, failure);
    this.#proxy?.end();
    if (this.#server === undefined) return;
    if (requestBytes > 0) this.#server.setAttribute("http.request.body.size", requestBytes);
    if (client.bodyBytes > 0) this.#server.setAttribute("http.response.body.size", client.bodyBytes);
    this.#server.setAttribute("http.response.status_code", status);
    if (status >= 500) this.#server.setStatus({ code: SpanStatusCode.ERROR });
    this.#server.end();
  }
}

function endClient(span: Span | undefined, status: number, failure: string | undefined): void {
  if (span === undefined) return;
  if (failure !== undefined) {
    span.setAttribute("error.type", failure).setStatus({ code: SpanStatusCode.ERROR, message: failure });
  } else {
    span.setAttribute("http.response.status_code", status);
    if (status >= 400)
      span.setAttribute("error.type", String(status)).setStatus({ code: SpanStatusCode.ERROR });
  }
  span.end();
}

function readContext({ arrival, head }: Exchange): Context {
  if (head.traceparent === undefined) return ROOT_CONTEXT;
  const { rawHeaders } = arrival;
  const states: string[] = [];
  for (let index = 0; index < rawHeaders.length; index += 2) {
    if (rawHeaders[index]?.toLowerCase() === "tracestate") states.push(rawHeaders[index + 1] ?? "");
  }
  const carrier = {
    traceparent: head.traceparent,
    ...(states.length > 0 && { tracestate: states.join(",") }),
  };
  return propagator.extract(ROOT_CONTEXT, carrier, defaultTextMapGetter);
}

/** Of the client's and ours the app gets one. */
function replaceHeader(headers: string[], name: string, value: string): void {
  for (let index = headers.length - 2; index >= 0; index -= 2) {
    if (headers[index]?.toLowerCase() === name) headers.splice(index, 2);
  }
  headers.push(name, value);
}

function toServerAttributes({ arrival, head, method, path, askedHost }: Exchange): Attributes {
  const { socket, peerAddress, httpVersion } = arrival;
  const scheme = socket.encrypted === true ? "https" : "http";
  const peer = peerAddress.startsWith("::ffff:") ? peerAddress.slice(7) : peerAddress;
  return {
    ...Object.fromEntries(toServerAddress(askedHost, scheme)),
    ...toMethodAttributes(method),
    "url.scheme": scheme,
    "network.peer.address": peer,
    ...(socket.remotePort !== undefined && { "network.peer.port": socket.remotePort }),
    ...(head.userAgent !== undefined && { "user_agent.original": head.userAgent }),
    "client.address": head.forwardedFor?.split(",")[0]?.trim() || peer,
    "url.path": path.split("?")[0] ?? "",
    "network.protocol.version": httpVersion,
    "kn.route.tag": toRouteTag(head.servingTag, head.servingDefaultRoute),
  };
}

function toMethodAttributes(method: string): Attributes {
  const known = toKnownMethod(method);
  return known === method
    ? { "http.request.method": known }
    : { "http.request.method": known, "http.request.method_original": method };
}

import { headerNames, probeTargets, SluiceError, type Clock } from "@sluice/core";
import {
  answerError,
  checkFraming,
  checkHost,
  readRequestHead,
  toRequestTarget,
  type Gate,
  type RequestHead,
  type RequestLimits,
} from "@sluice/dataplane";
import type { Arrival } from "./arrival.ts";
import type { Drainer } from "./drainer.ts";
import { Exchange, type ExchangeContext, type ExchangeTracer } from "./exchange.ts";
import {
  decideHealthAnswer,
  findHealthQuestion,
  toReadinessAnswer,
  type HealthAnswer,
  type HealthQuestion,
} from "./health-check.ts";
import type { PeerTrust } from "./peer-trust.ts";
import type { StatReporter } from "./stat-reporter.ts";

/** Asks the app whether it is ready. */
export interface ReadinessProber {
  probe(): Promise<boolean>;
}

/** Hears of every exchange that is over. */
export interface ExchangeRecorder {
  /** One was let through. `inFlight`: requests at the gate, this one included. */
  onAdmitted?(inFlight: number): void;
  onFinished(exchange: Exchange, nowMs: number): void;
  /** A question about the pod was answered. */
  onProbed?(probe: AnsweredProbe, nowMs: number): void;
}

/** A question about the pod and what it heard. */
export interface AnsweredProbe {
  readonly arrival: Arrival;
  readonly head: RequestHead;
  readonly status: number;
  readonly bodyBytes: number;
  readonly startedMs: number;
}

export interface PipelineParts {
  readonly clock: Clock;
  readonly trust: PeerTrust;
  readonly drainer: Drainer;
  readonly prober: ReadinessProber;
  readonly limits: RequestLimits;
  readonly stats: StatReporter;
  /** Address and port of the app: what it is called by a client that names no host. */
  readonly appAuthority: string;
  /** Absent without a concurrency limit: then nothing waits and nothing is refused. */
  readonly gate: Gate | undefined;
  readonly recorders: readonly ExchangeRecorder[];
  readonly tracer?: ExchangeTracer | undefined;
}

/** The whole life of a request in the sidecar, outermost step first. README.md draws it with its exits. */
export class Pipeline implements ExchangeContext {
  readonly #parts: PipelineParts;
  #inFlight = 0;
  #onIdle: (() => void) | undefined;

  constructor(parts: PipelineParts) {
    this.#parts = parts;
  }

  /** Requests that are on their way to or from the app, probes excluded. */
  get inFlight(): number {
    return this.#inFlight;
  }

  get isDraining(): boolean {
    return this.#parts.drainer.isDraining;
  }

  accept(arrival: Arrival): void {
    const { client } = arrival;
    try {
      // 1. Read the head once; what a stranger says with internal headers is dropped unread.
      const trust = this.#parts.trust.of(arrival.peerAddress);
      const head = readRequestHead(arrival.rawHeaders, trust);
      // 2. Questions about the pod are answered here: they are no load and must not wait behind any. What an activator
      // forwards is a request, whatever user agent its client claims to be.
      const isProxied = head.proxyRequest === probeTargets.activator;
      const question = isProxied ? undefined : findHealthQuestion(head.userAgent, head.networkProbe);
      if (question !== undefined) return this.#answerHealth(arrival, head, question);
      // 3. What two servers could read differently goes no further.
      checkFraming(head, arrival.httpVersion);
      const target = toRequestTarget(arrival.url, head, arrival.authority);
      // 4. A request that starts keeps a draining pod up: somebody still sends here.
      this.#parts.drainer.requestStarted();
      if (this.isDraining) client.closeAfterwards();
      const exchange = new Exchange(
        {
          arrival,
          head,
          hasBody: arrival.hasBody ?? head.hasBody,
          path: target.path,
          host: this.#toHost(head, target.host),
          askedHost: target.host,
          startedMs: this.#parts.clock.monotonic(),
          isProxied,
        },
        this,
      );
      client.listen(exchange);
      this.#begin(exchange);
    } catch (error) {
      // What could be misread may be followed by more of it.
      client.closeAfterwards();
      answerError(client, toSluiceError(error));
    }
  }

  /** 9. Everything that was taken is given back, once. */
  onFinished(exchange: Exchange): void {
    const { gate, limits, stats, recorders, clock } = this.#parts;
    const nowMs = clock.monotonic();
    gate?.leave(exchange.pass);
    if (!isBypass(exchange)) stats.requests.requestOut(nowMs, exchange.isProxied);
    if (exchange.deadlines !== undefined) limits.stop(exchange.deadlines);
    for (const recorder of recorders) recorder.onFinished(exchange, nowMs);
    exchange.trace?.onFinished();
    this.#inFlight--;
    if (this.#inFlight === 0) this.#onIdle?.();
  }

  onAdmitted(exchange: Exchange): void {
    const { gate, recorders, clock } = this.#parts;
    exchange.forwardedAtMs = clock.monotonic();
    exchange.trace?.onAdmitted();
    if (gate !== undefined) for (const recorder of recorders) recorder.onAdmitted?.(gate.inFlight);
  }

  onResponseHead(exchange: Exchange): void {
    exchange.headAtMs = this.#parts.clock.monotonic();
  }

  onProgress(exchange: Exchange): void {
    if (exchange.deadlines !== undefined) this.#parts.limits.touch(exchange.deadlines);
  }

  /** Resolves when nothing is in flight. */
  idle(): Promise<void> {
    if (this.#inFlight === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#onIdle = resolve;
    });
  }

  /** The host that the client asked for, however many proxies are in between. Throws `bad-request`. */
  #toHost({ originalHost = "" }: RequestHead, host: string): string {
    if (originalHost === "") return host === "" ? this.#parts.appAuthority : host;
    checkHost(originalHost);
    return originalHost;
  }

  #begin(exchange: Exchange): void {
    const { gate, limits, stats, tracer } = this.#parts;
    this.#inFlight++;
    if (tracer !== undefined) exchange.trace = tracer.begin(exchange);
    // 5. Time limits count from here, waiting included.
    exchange.deadlines = limits.start(exchange);
    // 6. A kubelet's probe of the app itself is no load: neither counted nor limited.
    if (isBypass(exchange)) return exchange.onAdmitted();
    // 7. Counted before the gate: waiting requests are load too.
    stats.requests.requestIn(exchange.startedMs, exchange.isProxied);
    // No time at all is over before the app could be asked.
    if (limits.requestMs === 0) return exchange.onDeadline();
    if (gate === undefined) return exchange.onAdmitted();
    // 8. Through the gate now or later, and on to the app (exchange.ts); beyond the queue's depth 503 at once.
    exchange.trace?.onWaiting();
    try {
      gate.enter(exchange.pass);
    } catch (error) {
      exchange.fail(toSluiceError(error));
    }
  }

  #answerHealth(arrival: Arrival, head: RequestHead, question: HealthQuestion): void {
    const { drainer, prober, clock } = this.#parts;
    const startedMs = clock.monotonic();
    const send = (answer: HealthAnswer): void => this.#sendHealthAnswer(arrival, head, answer, startedMs);
    // The kubelet is answered from wherever it asks: its question gives nothing away.
    const networkProbe = head.networkProbe ?? findHeader(arrival.rawHeaders, headerNames.networkProbe);
    const answer = decideHealthAnswer(question, drainer.isDraining, networkProbe, head.networkHash);
    if (answer !== undefined) return send(answer);
    prober.probe().then(
      (isReady) => send(toReadinessAnswer(isReady)),
      () => send(toReadinessAnswer(false)),
    );
  }

  #sendHealthAnswer(
    arrival: Arrival,
    head: RequestHead,
    { status, headers, body }: HealthAnswer,
    startedMs: number,
  ): void {
    const bytes = Buffer.from(body);
    arrival.client.sendHead(status, [...headers, "Content-Length", String(bytes.length)]);
    arrival.client.end(bytes);
    const probe = { arrival, head, status, bodyBytes: bytes.length, startedMs };
    for (const recorder of this.#parts.recorders) recorder.onProbed?.(probe, this.#parts.clock.monotonic());
  }
}

function isBypass(exchange: Exchange): boolean {
  return (exchange.head.kubeletProbe ?? "") !== "";
}

function findHeader(rawHeaders: readonly string[], name: string): string | undefined {
  const index = rawHeaders.findIndex((each, at) => at % 2 === 0 && each.toLowerCase() === name);
  return index === -1 ? undefined : rawHeaders[index + 1];
}

function toSluiceError(error: unknown): SluiceError {
  return error instanceof SluiceError ? error : new SluiceError("internal", undefined, { cause: error });
}

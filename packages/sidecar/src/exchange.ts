import { SluiceError, type ErrorCode } from "@sluice/core";
import {
  answerError,
  GatePass,
  type ClientListener,
  type ClientSide,
  type DeadlineOwner,
  type ForwardFailure,
  type ForwardObserver,
  type Forwarding,
  type GateVisitor,
  type LimitKind,
  type RequestDeadlines,
  type RequestHead,
} from "@sluice/dataplane";
import type { Arrival } from "./arrival.ts";

/** What surrounds every exchange; made once by the service. */
export interface ExchangeContext {
  /** The pod goes: connections are not kept. */
  readonly isDraining: boolean;
  /** The exchange is through the gate and about to be sent. */
  onAdmitted(exchange: Exchange): void;
  /** The head of the app's answer is here. */
  onResponseHead(exchange: Exchange): void;
  /** Leaves the gate, stops the time limits, counts. Called once per exchange, when it is over. */
  onFinished(exchange: Exchange): void;
  /** The app gave a sign of life: the time limits are told. */
  onProgress(exchange: Exchange): void;
}

/** The spans of one exchange. */
export interface ExchangeTrace {
  /** It waits for a slot. */
  onWaiting(): void;
  /** It is about to be sent to the app. */
  onAdmitted(): void;
  /** Puts the trace's context among the headers for the app, in place of the client's. */
  inject(headers: string[]): void;
  onFinished(): void;
}

/** Follows exchanges with spans; absent unless traces were asked for. */
export interface ExchangeTracer {
  begin(exchange: Exchange): ExchangeTrace;
}

/**
 * One request from its admission to its end. Everything that can end it (the app's answer, a time limit, a full
 * queue, a client that leaves) comes together here, and ends it exactly once.
 */
export class Exchange implements GateVisitor, DeadlineOwner<LimitKind>, ForwardObserver, ClientListener {
  readonly arrival: Arrival;
  readonly client: ClientSide;
  readonly head: RequestHead;
  readonly hasBody: boolean;
  readonly method: string;
  readonly path: string;
  /** The host that the app sees. */
  readonly host: string;
  /** The host that the request itself was for. */
  readonly askedHost: string;
  readonly startedMs: number;
  /** Came through an activator, which counts it itself. */
  readonly isProxied: boolean;
  readonly pass: GatePass;
  deadlines: RequestDeadlines | undefined;
  trace: ExchangeTrace | undefined;
  /** When the request was sent to the app; 0 before. */
  forwardedAtMs = 0;
  /** When the head of the app's answer came; 0 before. */
  headAtMs = 0;
  /** Why the app's answer never began. */
  failure: ErrorCode | undefined;
  /** The answer's status; 499 when the client left first, 0 while there is none. */
  status = 0;
  readonly #context: ExchangeContext;
  #forwarding: Forwarding | undefined;
  #isOver = false;

  constructor(init: ExchangeInit, context: ExchangeContext) {
    this.arrival = init.arrival;
    this.client = init.arrival.client;
    this.head = init.head;
    this.hasBody = init.hasBody;
    this.method = init.arrival.method;
    this.path = init.path;
    this.host = init.host;
    this.askedHost = init.askedHost;
    this.startedMs = init.startedMs;
    this.isProxied = init.isProxied;
    this.#context = context;
    this.pass = new GatePass(this);
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** Bytes of the request's body that the app was sent. */
  get requestBytes(): number {
    return this.#forwarding?.requestBytes ?? 0;
  }

  onAdmitted(): void {
    if (this.#isOver) return;
    this.#context.onAdmitted(this);
    this.#forwarding = this.arrival.startForwarding(this);
  }

  onResponseHead(status: number): void {
    this.status = status;
    this.#context.onResponseHead(this);
    if (this.#context.isDraining) this.client.closeAfterwards();
  }

  onResponseProgress(): void {
    this.#context.onProgress(this);
  }

  /** The two sides talk a protocol of their own now; what counts from here is the request limit and silence. */
  onUpgraded(): void {
    this.status = 101;
    this.#context.onResponseHead(this);
  }

  onForwarded(failure: ForwardFailure | undefined): void {
    if (failure === undefined) this.#finish();
    else this.fail(failure.error);
  }

  onClientDrain(): void {
    this.#forwarding?.resume();
  }

  onClientClosed(isComplete: boolean): void {
    if (this.#isOver || isComplete) return;
    this.fail(new SluiceError("client-gone"));
  }

  /**
   * Before the answer has begun, a time limit is a 504. Afterwards its text ends the body, as in Knative, unless the body has
   * a declared length, which leaves only breaking off.
   */
  onDeadline(): void {
    if (this.#isOver) return;
    const error = new SluiceError("request-timeout");
    const { client } = this;
    this.#forwarding?.cancel();
    if (client.isHeadSent && client.isOpenEnded) {
      client.end(Buffer.from(error.body));
      this.#finish();
    } else this.fail(error);
  }

  /** Ends the exchange with an error answer, where one is still possible. */
  fail(error: SluiceError): void {
    if (this.#isOver) return;
    this.#forwarding?.cancel();
    this.#isOver = true;
    this.status = this.#toFinalStatus(error);
    if (this.headAtMs === 0) this.failure = error.code;
    answerError(this.client, error);
    this.#finish();
  }

  /** An answer that breaks off in the middle counts as 500, as in Knative; one that takes too long as what it began with. */
  #toFinalStatus(error: SluiceError): number {
    if (error.code === "client-gone" || !this.client.isHeadSent) return error.status;
    return error.code === "request-timeout" ? this.status : brokenOff;
  }

  #finish(): void {
    this.#isOver = true;
    this.#context.onFinished(this);
  }
}

const brokenOff = 500;

export interface ExchangeInit {
  readonly arrival: Arrival;
  readonly head: RequestHead;
  readonly hasBody: boolean;
  readonly path: string;
  readonly host: string;
  readonly askedHost: string;
  readonly startedMs: number;
  readonly isProxied: boolean;
}

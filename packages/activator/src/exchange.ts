import { SluiceError, type Clock, type Revision, type Service } from "@sluice/core";
import {
  UpgradeForward,
  type BodyKeeper,
  type ClientListener,
  type ClientSide,
  type Deadline,
  type DeadlineOwner,
  type DeadlineQueue,
  type ForwardFailure,
  type Forwarding,
  type LimitKind,
  type RequestDeadlines,
  type RequestLimits,
  type UpgradeObserver,
} from "@sluice/dataplane";
import type { ActiveRevision } from "./active-revision.ts";
import { toPhases, toServerTiming } from "./cold-start.ts";
import type { ConcurrencyReporter } from "./concurrency-reporter.ts";
import { answerRequestError } from "./error-response.ts";
import { decideBlame, type Blame } from "./failover.ts";
import { toFairKey } from "./fair-queue.ts";
import { isGrpc } from "./grpc-error.ts";
import { toHoldError } from "./hold-budget.ts";
import type { Waiter } from "./hold-queue.ts";
import type { ExchangeRequest, PodForwarder } from "./pod-forwarder.ts";
import type { PodTracker } from "./pod-tracker.ts";
import { answerWaitingPage, wantsWaitingPage } from "./waiting-page.ts";

/** What all exchanges share. */
export interface ExchangeContext {
  readonly clock: Clock;
  readonly reporter: ConcurrencyReporter;
  readonly forwarder: PodForwarder;
  readonly hasServerTiming: boolean;
  /** How often a request may go to yet another pod because the one before was broken. */
  readonly maxRetries: number;
  /** Absent when holding is limited by the revision's own timeouts alone. */
  readonly holdLimit: DeadlineQueue<"hold"> | undefined;
  /** For the annotations of the service that the revision belongs to. */
  readonly findService: (revision: Revision) => Service | undefined;
  /** Whether anybody who decides about scale can be reached. */
  readonly isAutoscalerReachable: () => boolean;
  /** The process is leaving: connections are not kept. */
  readonly isDraining: () => boolean;
  readonly onBegin: (exchange: Exchange) => void;
  readonly onOver: (exchange: Exchange) => void;
}

type State = "new" | "held" | "forwarding" | "over";

/**
 * One request's way from its revision to its end: waits for a pod, is forwarded, perhaps to another pod, and is over once.
 * It plays every part itself (who waits, who hears the client, the pod and the timers), so a request needs no closures.
 */
export class Exchange
  implements Waiter, ClientListener, BodyKeeper, UpgradeObserver, DeadlineOwner<LimitKind | "hold">
{
  previous: Waiter | undefined;
  next: Waiter | undefined;
  isHeld = false;
  turn = 0;
  heldBytes = 0;
  fairKey = "";
  /** The two sides talk past us. */
  isUpgraded = false;
  readonly client: ClientSide;
  readonly active: ActiveRevision;
  readonly #context: ExchangeContext;
  readonly #request: ExchangeRequest;
  /** Headers for every attempt; each adds its own `Host` behind them. */
  readonly #headerCount: number;
  readonly #arrivedMs: number;
  #state: State = "new";
  #limits: RequestLimits | undefined;
  #deadlines: RequestDeadlines | undefined;
  #holdDeadline: Deadline<"hold"> | undefined;
  #heldAt = 0;
  #queuedMs = 0;
  #wasHeld = false;
  /** It came when no pod worked: what it waited for is a cold start, not a free slot. */
  #wasCold = false;
  #pod: PodTracker | undefined;
  #forwarding: Forwarding | undefined;
  #attempt = 0;
  #retries = 0;
  #status = 0;

  constructor(
    client: ClientSide,
    request: ExchangeRequest,
    active: ActiveRevision,
    context: ExchangeContext,
  ) {
    this.client = client;
    this.active = active;
    this.#request = request;
    this.#headerCount = request.headers.length;
    this.#context = context;
    this.#arrivedMs = context.clock.monotonic();
  }

  /** The client asked for another protocol on its connection. */
  get wantsUpgrade(): boolean {
    return this.#request.upgrade !== undefined;
  }

  /** Also whose it is, which only matters once it waits. */
  weigh(): number {
    const { headers } = this.#request;
    this.fairKey = toFairKey(headers, this.#context.findService(this.active.revision));
    return this.#toBytes();
  }

  /** The head, and of a body of declared length what may come to lie here; of others what does, as it comes. */
  #toBytes(): number {
    const { path, headers, head } = this.#request;
    let bytes = path.length + Math.min(this.client.maxKeptBytes, Number(head.contentLength ?? 0));
    for (const text of headers) bytes += text.length;
    return bytes;
  }

  onBodyKept(bytes: number): void {
    if (this.#request.head.contentLength === undefined) this.active.throttler.grow(this, bytes);
  }

  /** Counted, timed, and handed to the throttler, which calls `grant` or `refuse`, now or later. */
  begin(): void {
    const { active, client } = this;
    this.#context.onBegin(this);
    this.#context.reporter.requestIn(active, active.throttler.healthyPods === 0);
    client.listen(this);
    this.#limits = active.limits;
    this.#deadlines = active.limits.start(this);
    if (active.isStarting && this.#answerWithPage()) return;
    active.throttler.submit(this);
    if (this.#state === "new") this.#hold();
  }

  /** The page comes back by itself and is counted each time, so the revision starts as if the request were held. */
  #answerWithPage(): boolean {
    const { method, headers } = this.#request;
    const service = this.#context.findService(this.active.revision);
    if (!wantsWaitingPage(method, headers, service)) return false;
    answerWaitingPage(this.client);
    this.#finish(503);
    return true;
  }

  #hold(): void {
    this.#state = "held";
    this.#wasHeld = true;
    this.#wasCold ||= this.active.throttler.healthyPods === 0;
    this.#heldAt = this.#context.clock.now();
    this.#holdDeadline = this.#context.holdLimit?.start(this);
    if (this.#request.hasBody) this.client.keepBody(this);
  }

  grant(pod: PodTracker): void {
    if (this.#holdDeadline !== undefined) this.#context.holdLimit?.cancel(this.#holdDeadline);
    if (this.#state === "held") {
      this.#queuedMs = this.#context.clock.monotonic() - this.#arrivedMs;
      this.active.metrics.observeHold(this.#queuedMs);
    }
    this.#state = "forwarding";
    this.#pod = pod;
    this.#forward(pod);
  }

  refuse(error: SluiceError): void {
    this.#fail(error);
  }

  /** An attempt may be over, and the next one begun, before `start` returns. */
  #forward(pod: PodTracker): void {
    const attempt = ++this.#attempt;
    const { protocol } = this.active.revision;
    const { forwarder } = this.#context;
    const forwarding = forwarder.start(
      this.client,
      this,
      this.#request,
      this.#headerCount,
      pod.pod,
      protocol,
    );
    if (attempt === this.#attempt && this.#state === "forwarding") this.#forwarding = forwarding;
  }

  /** Ends what would go on for ever: a WebSocket hears 1001. Requests are left alone. */
  goAway(): void {
    if (this.isUpgraded && this.#forwarding instanceof UpgradeForward) this.#forwarding.goAway();
  }

  onResponseProgress(): void {
    if (this.#deadlines !== undefined) this.#limits?.touch(this.#deadlines);
  }

  onResponseHead(status: number, headers: string[]): void {
    this.#status = status;
    if (this.#pod !== undefined) this.active.throttler.noteAnswer(this.#pod);
    const { hasServerTiming, isDraining } = this.#context;
    if (isDraining()) this.client.closeAfterwards();
    if (!this.#wasCold && !(this.#wasHeld && hasServerTiming)) return;
    const phases = toPhases(this.#heldAt, this.active.milestones, this.#context.clock.now());
    if (this.#wasCold) this.active.metrics.observePhases(this.#queuedMs, phases);
    if (hasServerTiming) headers.push("server-timing", toServerTiming(this.#queuedMs, phases));
  }

  onUpgraded(): void {
    this.#status = 101;
    this.isUpgraded = true;
    if (this.#pod !== undefined) this.active.throttler.noteAnswer(this.#pod);
  }

  onForwarded(failure: ForwardFailure | undefined): void {
    if (this.#state !== "forwarding") return;
    if (failure === undefined) {
      this.#finish(this.#status);
      return;
    }
    const blame = decideBlame(failure.error);
    this.#blamePod(blame);
    if (this.#mayRetry(failure, blame)) this.#retry(failure.error);
    else this.#fail(failure.error);
  }

  /**
   * The request provably never reached an app. Waiting for a slot is what it was held for, so being sent back by a pod that
   * is full only costs time; pods that are broken must not send it round for ever.
   */
  #mayRetry({ error, mayHaveReachedApp }: ForwardFailure, blame: Blame): boolean {
    const { isHeadSent, isBodyTouched } = this.client;
    if (error.retry !== "other-pod" || mayHaveReachedApp || isHeadSent || isBodyTouched) return false;
    return blame === "full" || ++this.#retries <= this.#context.maxRetries;
  }

  #retry(error: SluiceError): void {
    this.active.metrics.countRetry(error.code);
    this.#leavePod();
    this.#state = "new";
    this.active.throttler.resubmit(this);
    if (this.#state === "new") this.#hold();
  }

  /** Before the slot is given back, so that the next request does not meet the same. */
  #blamePod(blame: Blame): void {
    if (this.#pod === undefined) return;
    if (blame === "full") this.active.throttler.noteFull(this.#pod);
    else if (blame === "broken") this.active.eject(this.#pod);
  }

  onClientDrain(): void {
    this.#forwarding?.resume();
  }

  onClientClosed(isComplete: boolean): void {
    if (this.#state === "over" || (isComplete && this.#state === "forwarding")) return;
    this.active.throttler.cancel(this);
    this.#forwarding?.cancel();
    this.#finish(499);
  }

  onDeadline(kind: LimitKind | "hold"): void {
    if (this.#state === "over") return;
    const wasWaiting = this.active.throttler.cancel(this);
    this.#forwarding?.cancel();
    if (wasWaiting && kind === "hold") this.active.metrics.countRejection("process-time");
    if (wasWaiting) this.#fail(this.#toWaitError(kind));
    else if (!this.isUpgraded && this.client.isOpenEnded) {
      // As Knative ends a body of unknown length: the text says that it is not whole (reference §1.6).
      this.client.end(Buffer.from(new SluiceError("activator-request-timeout").body));
      this.#finish(this.#status);
    } else this.#fail(new SluiceError("activator-request-timeout"));
  }

  #toWaitError(kind: LimitKind | "hold"): SluiceError {
    if (!this.#context.isAutoscalerReachable()) return new SluiceError("autoscaler-unreachable");
    return kind === "hold" ? toHoldError("process-time") : new SluiceError("activator-request-timeout");
  }

  #fail(error: SluiceError): void {
    const status = this.client.isHeadSent ? this.#status : error.status;
    this.#finish(status);
    answerRequestError(this.client, error, isGrpc(this.#request.headers));
  }

  #leavePod(): void {
    const pod = this.#pod;
    this.#pod = undefined;
    this.#forwarding = undefined;
    if (pod !== undefined) this.active.throttler.release(pod);
  }

  /** Gives back, once, everything that the request had. */
  #finish(status: number): void {
    if (this.#state === "over") return;
    this.#state = "over";
    if (this.#deadlines !== undefined) this.#limits?.stop(this.#deadlines);
    if (this.#holdDeadline !== undefined) this.#context.holdLimit?.cancel(this.#holdDeadline);
    this.#context.reporter.requestOut(this.active);
    this.active.metrics.countRequest(status, this.#context.clock.monotonic() - this.#arrivedMs);
    this.#leavePod();
    this.#context.onOver(this);
  }
}

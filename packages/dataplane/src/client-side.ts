/** Hears about the client's connection; set once, before anything is sent. */
export interface ClientListener {
  /** What was handed over is with the system, and the client can take more. */
  onClientDrain(): void;
  /** The exchange is over on the client's side. `isComplete`: the whole answer was handed over; otherwise the client left. */
  onClientClosed(isComplete: boolean): void;
}

/** Takes a request's body as it comes, without a stream in between. */
export interface BodySink {
  /** False asks to hold the client back until `resumeBody`; what is under way still comes. */
  onBody(chunk: Uint8Array): boolean;
  /** The body was whole. */
  onBodyEnd(): void;
}

/** Who pays for what lies here of a body that nobody has taken yet. */
export interface BodyKeeper {
  /** So much more has come, or may come to lie here unseen. */
  onBodyKept(bytes: number): void;
}

/**
 * The side that asked, as forwarding and error answers see it: one request and its answer, over HTTP/1.1 or HTTP/2.
 * Headers and trailers are names and values in turn.
 */
export interface ClientSide {
  readonly isHeadSent: boolean;
  /** The answer has begun and its length was not declared, so that more can still be said. */
  readonly isOpenEnded: boolean;
  /** Bytes of answer body handed over so far. */
  readonly bodyBytes: number;
  listen(listener: ClientListener): void;
  /** A 1xx answer; the final one is still to come. */
  sendInformation(status: number, headers: string[]): void;
  sendHead(status: number, headers: string[], statusMessage?: string): void;
  /** Sends the head now; otherwise it may wait for the first of the body, to go in one packet with it. */
  flushHead(): void;
  /** False asks the caller to wait for `onClientDrain`. */
  write(chunk: Uint8Array): boolean;
  /** Ends the answer. A text has a character per byte; it may leave in one write with the head. */
  end(chunk?: Uint8Array | string, trailers?: string[]): void;
  /** Nothing that was handed over waits here: its memory may be used anew. Otherwise `onClientDrain` tells when. */
  readonly isFlushed: boolean;
  /** The connection is not to be used again after this exchange, where the protocol says so by exchange. */
  closeAfterwards(): void;
  /** Breaks the exchange off, so that the client sees that the answer is not whole. */
  destroy(): void;
  /** The most of a body that lies here before anybody takes it. */
  readonly maxKeptBytes: number;
  /** Takes the body in while the request waits, no more than `maxKeptBytes`, and tells how much there is as it comes. */
  keepBody(keeper: BodyKeeper): void;
  /** The sink gets all of the request's body, what came before it included; an earlier one gets nothing more. Only when there is one. */
  sendBodyTo(sink: BodySink): void;
  /** The sink has room again. */
  resumeBody(): void;
  /** The sink is no more, if it was one: what comes is kept for another, or dropped where none could have the whole. */
  releaseBody(sink: BodySink): void;
  /** The request's trailers, once its body has ended. */
  readTrailers(): readonly string[];
  /** Whether some of the body was taken and not kept, so that it cannot be sent a second time. */
  readonly isBodyTouched: boolean;
}

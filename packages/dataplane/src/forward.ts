import type { SluiceError } from "@sluice/core";

/** What went wrong between us and the app. */
export interface ForwardFailure {
  readonly error: SluiceError;
  /**
   * False: no byte of the request can have reached the app, none of its body was taken and nothing was answered, so it
   * may be sent elsewhere. True: the app may have acted on it.
   */
  readonly mayHaveReachedApp: boolean;
}

/** Follows one attempt to forward a request. */
export interface ForwardObserver {
  /** The response's head is about to be sent; the observer may add to `headers` (names and values in turn). */
  onResponseHead(status: number, headers: string[]): void;
  /** Something of the response, a 1xx included, is on its way to the client. */
  onResponseProgress(): void;
  /** Called once, last. Without a failure the whole response was handed to the client. Nothing is sent on a failure: that is the observer's. */
  onForwarded(failure: ForwardFailure | undefined): void;
}

/** What to send to the app. */
export interface ForwardRequest {
  readonly method: string;
  /** Origin form. */
  readonly path: string;
  /** Names and values in turn; framing headers as they came, no hop-by-hop ones. */
  readonly headers: string[];
  readonly hasBody: boolean;
}

/** A running attempt. */
export interface Forwarding {
  /** Bytes of the request's body that the app was sent. */
  readonly requestBytes: number;
  /** The client takes more again. */
  resume(): void;
  /** Gives up: the app's side is cancelled, and the observer hears nothing more. */
  cancel(): void;
}

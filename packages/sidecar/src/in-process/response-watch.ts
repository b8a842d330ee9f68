import { ServerResponse } from "node:http";
import type { AppResponse } from "./app-message.ts";
import { makeDeaf, StandIns, toByteLength, type Method } from "./stand-ins.ts";

/** Follows what an app does with its response. */
export interface ResponseObserver {
  /** Its head is about to be written. */
  onHead(status: number): void;
  /** So much of its body was handed over. */
  onBody(bytes: number): void;
  /** The app has said all. */
  onEnd(): void;
  /** The app gives it up. True: that was seen to, and the connection is not cut. */
  onBrokenOff(): boolean;
}

/** All that an app can do to a response. */
const methods = [
  "setHeader",
  "setHeaders",
  "appendHeader",
  "removeHeader",
  "setTrailer",
  "addTrailers",
  "writeHead",
  "writeContinue",
  "writeProcessing",
  "writeInformation",
  "writeEarlyHints",
  "flushHeaders",
  "end",
  "destroy",
] as const;

/** A response in the hands of an app's handler. */
export class ResponseWatch {
  readonly #response: AppResponse;
  readonly #observer: ResponseObserver;
  readonly #standIns: StandIns;
  readonly #isBodyless: boolean;

  /** `isBodyless`: what is written as a body is not sent, the request being a HEAD. */
  constructor(response: AppResponse, isBodyless: boolean, observer: ResponseObserver) {
    this.#response = response;
    this.#observer = observer;
    this.#isBodyless = isBodyless;
    this.#standIns = new StandIns(response);
    this.#standIns.put("writeHead", (writeHead) => (status, ...rest) => {
      if (typeof status === "number") observer.onHead(status);
      return writeHead(status, ...rest);
    });
    this.#standIns.put(
      "write",
      (write) =>
        (...values) =>
          this.#write(write, values),
    );
    this.#standIns.put(
      "end",
      (end) =>
        (...values) =>
          this.#end(end, values),
    );
    this.#standIns.put(
      "destroy",
      (destroy) =>
        (...values) =>
          this.#destroy(destroy, values),
    );
  }

  /**
   * The response is ours, for the rest of this turn. What the app still does with it afterwards is dropped without an error:
   * an app must not fail because its answer came too late.
   */
  takeBack(): void {
    this.#standIns.removeAll();
    if (this.#response instanceof ServerResponse && !this.#response.headersSent) {
      for (const name of this.#response.getHeaderNames()) this.#response.removeHeader(name);
    }
    process.nextTick(() => this.#ignoreApp());
  }

  #write(write: Method, values: readonly unknown[]): unknown {
    const result = write(...values);
    this.#observer.onBody(this.#toSent(values));
    return result;
  }

  /** Over HTTP/2 Node writes by `write` what it is given to end with. */
  #end(end: Method, values: readonly unknown[]): unknown {
    if (this.#response instanceof ServerResponse) this.#observer.onBody(this.#toSent(values));
    this.#observer.onEnd();
    return end(...values);
  }

  #destroy(destroy: Method, values: readonly unknown[]): unknown {
    if (!this.#observer.onBrokenOff()) return destroy(...values);
    this.#ignoreApp();
    return this.#response;
  }

  #toSent([chunk, encoding]: readonly unknown[]): number {
    const { statusCode } = this.#response;
    return this.#isBodyless || statusCode === 204 || statusCode === 304 ? 0 : toByteLength(chunk, encoding);
  }

  #ignoreApp(): void {
    makeDeaf(this.#response, methods, this.#response);
    makeDeaf(this.#response, ["write"], true);
  }
}

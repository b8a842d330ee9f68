import type { Exchange } from "../exchange.ts";

/** All that tells in which series an exchange counts. Kept of the one before, it finds the series of the next at no cost. */
export class Likeness {
  #status = 0;
  #failure: string | undefined;
  #method = "";
  #host = "";
  #httpVersion = "";
  #isSecure: boolean | undefined;
  #tag: string | undefined;
  #defaultRoute: string | undefined;
  #isQuestion = false;
  #isForwarded = false;

  fits(
    { status, failure, method, askedHost, arrival, head, forwardedAtMs }: Exchange,
    isQuestion: boolean,
  ): boolean {
    return (
      status === this.#status &&
      failure === this.#failure &&
      method === this.#method &&
      askedHost === this.#host &&
      arrival.httpVersion === this.#httpVersion &&
      arrival.socket.encrypted === this.#isSecure &&
      head.servingTag === this.#tag &&
      head.servingDefaultRoute === this.#defaultRoute &&
      isQuestion === this.#isQuestion &&
      forwardedAtMs > 0 === this.#isForwarded
    );
  }

  take(
    { status, failure, method, askedHost, arrival, head, forwardedAtMs }: Exchange,
    isQuestion: boolean,
  ): void {
    this.#status = status;
    this.#failure = failure;
    this.#method = method;
    this.#host = askedHost;
    this.#httpVersion = arrival.httpVersion;
    this.#isSecure = arrival.socket.encrypted;
    this.#tag = head.servingTag;
    this.#defaultRoute = head.servingDefaultRoute;
    this.#isQuestion = isQuestion;
    this.#isForwarded = forwardedAtMs > 0;
  }

  /** Different for whatever differs in any of these. */
  get key(): string {
    return `${this.#method} ${this.#status} ${this.#failure} ${this.#httpVersion} ${this.#host} ${this.#isSecure} ${this.#tag} ${this.#defaultRoute} ${this.#isQuestion} ${this.#isForwarded}`;
  }
}

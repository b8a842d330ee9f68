import type { Exchange } from "../exchange.ts";

/** All that tells in which series an exchange counts. */
class Likeness {
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
}

/** More kinds of exchanges than a pod usually has at a time. */
const kept = 16;

/**
 * What was found for the kinds of exchanges that came last. Most are like the one before or like few others: comparing is cheaper
 * than making a key of all that they have.
 */
export class RecentLikenesses<Found> {
  readonly #entries: { readonly likeness: Likeness; readonly found: Found }[] = [];
  #last = 0;
  #oldest = 0;

  find(exchange: Exchange, isQuestion: boolean): Found | undefined {
    const last = this.#entries[this.#last];
    if (last?.likeness.fits(exchange, isQuestion) === true) return last.found;
    const index = this.#entries.findIndex(({ likeness }) => likeness.fits(exchange, isQuestion));
    if (index === -1) return undefined;
    this.#last = index;
    return this.#entries[index]?.found;
  }

  add(exchange: Exchange, isQuestion: boolean, found: Found): void {
    const likeness = new Likeness();
    likeness.take(exchange, isQuestion);
    this.#last = this.#oldest;
    this.#entries[this.#oldest] = { likeness, found };
    this.#oldest = (this.#oldest + 1) % kept;
  }
}

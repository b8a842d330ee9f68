import { connect, type Socket } from "node:net";
import { parseResponse, type Message } from "./message.ts";

const silenceMs = 4000;

/** A client's connection to the proxy under test: writes bytes as they are, and notes what comes back. */
export class Conversation {
  readonly socket: Socket;
  /** Lines, and answers as they came. */
  readonly notes: (string | Message)[] = [];
  readonly #id: string;
  #bytes = "";
  #wakers: (() => void)[] = [];
  #isEnded = false;
  #isSilent = false;

  constructor(port: number, id: string) {
    this.#id = id;
    this.socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    this.socket
      .setEncoding("latin1")
      .on("data", (text: string) => {
        this.#bytes += text;
        this.#wake();
      })
      .on("error", () => this.#end())
      .on("end", () => this.#end())
      .on("close", () => this.#end());
  }

  /** `$` in the text stands for the case's own path. */
  send(text: string): this {
    this.socket.write(text.replaceAll("$", `/c/${this.#id}`), "latin1");
    return this;
  }

  note(line: string): void {
    this.notes.push(line);
  }

  /** Waits for the next answer and notes it; a 1xx is an answer of its own. Undefined when the connection ended without one. */
  async answer(method = "GET"): Promise<Message | undefined> {
    const look = (): Message | undefined => parseResponse(this.#bytes, method, this.#isEnded);
    await this.#until(() => look()?.isWhole === true);
    const message = look();
    if (message === undefined) {
      this.note(this.#bytes === "" ? "(no answer)" : `(no answer) ${this.#bytes}`);
      return undefined;
    }
    this.#bytes = message.rest;
    this.notes.push(message);
    return message;
  }

  /** Every 1xx and the answer behind them. */
  async finalAnswer(): Promise<void> {
    let message = await this.answer();
    while (message?.startLine.startsWith("HTTP/1.1 1") === true) message = await this.answer();
  }

  /** Waits until the bytes that nobody has taken yet contain this. */
  async untilReceived(text: string): Promise<void> {
    await this.#until(() => this.#bytes.includes(text));
  }

  /** Takes and notes what has come. */
  noteReceived(): void {
    this.note(`received: ${JSON.stringify(this.#bytes)}`);
    this.#bytes = "";
  }

  async untilEnded(): Promise<void> {
    await this.#until(() => this.#isEnded);
  }

  /** Notes whether the connection still serves a request. */
  async fate(): Promise<void> {
    if (!this.#isEnded) this.send("GET $/after HTTP/1.1\r\nHost: after\r\n\r\n");
    await this.#until(() => parseResponse(this.#bytes, "GET", false)?.isWhole === true);
    const message = parseResponse(this.#bytes, "GET", this.#isEnded);
    this.note(message?.startLine === "HTTP/1.1 200 OK" ? "connection serves on" : "connection has ended");
  }

  destroy(): void {
    this.socket.destroy();
  }

  /** A proxy that says nothing for so long will not say it any more: that is an outcome too. */
  async #until(isTrue: () => boolean): Promise<void> {
    const timer = setTimeout(() => {
      this.#isSilent = true;
      this.note("(silence)");
      this.#wake();
    }, silenceMs);
    while (!this.#isEnded && !this.#isSilent && !isTrue()) {
      await new Promise<void>((resolve) => {
        this.#wakers.push(resolve);
      });
    }
    clearTimeout(timer);
  }

  #end(): void {
    this.#isEnded = true;
    this.#wake();
  }

  #wake(): void {
    const wakers = this.#wakers;
    this.#wakers = [];
    for (const resolve of wakers) resolve();
  }
}

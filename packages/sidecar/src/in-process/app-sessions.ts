import type { ServerHttp2Session } from "node:http2";

/** What GOAWAY names while it is not known yet which stream will be the last (RFC 9113 §6.8). */
const anyStream = 2 ** 31 - 1;

/** The HTTP/2 connections of the app's server, which are told when the pod goes. */
export class AppSessions {
  readonly #sessions = new Set<ServerHttp2Session>();
  #isGoing = false;

  add(session: ServerHttp2Session): void {
    if (this.#sessions.has(session)) return;
    this.#sessions.add(session);
    session.once("close", () => this.#sessions.delete(session));
    if (this.#isGoing) warn(session);
  }

  /** Clients open no more streams; those that are under way, or that cross this on the wire, are served. */
  goAway(): void {
    this.#isGoing = true;
    for (const session of this.#sessions) warn(session);
  }

  /** Each ends when its last stream has. */
  close(): void {
    for (const session of this.#sessions) session.close();
  }
}

/** Node tells a while later that a session is gone. */
function warn(session: ServerHttp2Session): void {
  if (!session.destroyed) session.goaway(0, anyStream);
}

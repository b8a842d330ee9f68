import { createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { parseRequest, toLines, type Message } from "./message.ts";

/** One request at the app, and what the app does with it, byte by byte. */
export interface Visit {
  readonly socket: Socket;
  /** The head as it came. */
  readonly head: string;
  send(text: string): void;
  /** Resolves when `isTrue`, asked after every piece of the request, or when the connection ends. */
  until(isTrue: (soFar: Message) => boolean): Promise<void>;
  /** Resolves when the connection has ended. */
  untilClosed(): Promise<void>;
}

/** Called when a request's head has arrived. */
export type AppScript = (visit: Visit) => void | Promise<void>;

/** Waits for the whole request, then says this. */
export function answerWith(text: string): AppScript {
  return async (visit) => {
    await visit.until((soFar) => soFar.isWhole);
    visit.send(text);
  };
}

/** Waits for the whole request and says `ok`. */
export const sayOk = answerWith("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok");

/** An app that does what each case scripts, and remembers what it saw. A request names its case by `/c/<id>` anywhere in its head. */
export class ScriptedApp {
  readonly #server: Server;
  readonly #scripts = new Map<string, AppScript>();
  readonly #seen = new Map<string, { message: Message }[]>();
  readonly #sockets = new Set<Socket>();

  constructor() {
    this.#server = createServer((socket) => {
      this.#sockets.add(socket);
      socket.on("close", () => this.#sockets.delete(socket));
      acceptRequests(socket, (head, seen) => this.#begin(head, seen));
    });
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async open(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#server.listen(0, "127.0.0.1", resolve);
    });
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  script(id: string, script: AppScript): void {
    this.#scripts.set(id, script);
  }

  /** What has reached the app of a case. */
  seen(id: string): readonly Message[] {
    return (this.#seen.get(id) ?? []).map(({ message }) => message);
  }

  /** The same in lines. */
  seenLines(id: string): string[] {
    // Persistence is what HTTP/1.1 means without a word: whether it is said is nobody's concern.
    return this.seen(id)
      .flatMap(toLines)
      .filter((line) => line !== "connection: keep-alive")
      .map((line) => `app: ${line}`);
  }

  #begin(head: string, seen: { message: Message }): AppScript {
    const id = /\/c\/([\w-]+)/.exec(head)?.[1] ?? "";
    // The question whether a connection still serves is no part of a case.
    if (head.includes("/after")) return sayOk;
    this.#seen.set(id, [...(this.#seen.get(id) ?? []), seen]);
    return this.#scripts.get(id) ?? sayOk;
  }
}

/** Runs the requests of a connection one after the other. `begin` hears of each and says what to do with it. */
function acceptRequests(
  socket: Socket,
  begin: (head: string, seen: { message: Message }) => AppScript,
): void {
  let bytes = "";
  let wakers: (() => void)[] = [];
  let current: { message: Message } | undefined;
  const look = (): void => {
    const message = parseRequest(bytes);
    if (message === undefined) return;
    if (current === undefined) visit({ message });
    else current.message = message;
  };
  const visit = (seen: { message: Message }): void => {
    current = seen;
    const until = async (isTrue: (soFar: Message) => boolean): Promise<void> => {
      while (!socket.closed && !isTrue(seen.message)) {
        await new Promise<void>((resolve) => {
          wakers.push(resolve);
        });
      }
    };
    const head = bytes.slice(0, bytes.indexOf("\r\n\r\n"));
    const run = begin(head, seen);
    void Promise.resolve(
      run({
        socket,
        head,
        send: (text) => void socket.write(text, "latin1"),
        until,
        untilClosed: () => until(() => false),
      }),
    )
      .then(() => until((soFar) => soFar.isWhole))
      .then(() => {
        bytes = seen.message.rest;
        current = undefined;
        return look();
      });
  };
  const wake = (): void => {
    const waiting = wakers;
    wakers = [];
    for (const resolve of waiting) resolve();
  };
  socket
    .setEncoding("latin1")
    .on("data", (text: string) => {
      bytes += text;
      look();
      wake();
    })
    .on("error", () => undefined)
    .on("close", wake);
}

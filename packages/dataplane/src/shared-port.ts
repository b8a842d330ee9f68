import type { Server } from "node:http";
import type { Socket } from "node:net";
import type { Clock } from "@sluice/core";
import { DeadlineQueue } from "./deadline-queue.ts";
import { preface as prefaceText } from "./http2/frame.ts";

const preface = Buffer.from(prefaceText);

/**
 * One port for HTTP/1.1 and h2c: the first bytes of a connection tell which it is, and h2c connections go to the other
 * server. The HTTP/1.1 server keeps the port, because Node times and counts its connections only then. A connection that
 * says nothing in time is closed.
 */
export function shareWithHttp2(
  http1: Server,
  http2: { accept(socket: Socket): void },
  firstByteTimeoutMs: number,
  clock: Clock,
): void {
  const acceptHttp1 = http1.listeners("connection");
  http1.removeAllListeners("connection");
  const silent = new DeadlineQueue("silent", firstByteTimeoutMs, clock);
  http1.on("connection", (socket: Socket) => {
    const deadline = silent.start({ onDeadline: () => void socket.destroy() });
    // Who closes without having said anything, such as a probe that only connects, is gone: Node would keep our half open.
    const onGone = (): void => void socket.destroy();
    const onClose = (): void => silent.cancel(deadline);
    let early: Buffer = Buffer.alloc(0);
    const onData = (chunk: Buffer): void => {
      early = early.length === 0 ? chunk : Buffer.concat([early, chunk]);
      const protocol = decideProtocol(early);
      if (protocol === undefined) return;
      silent.cancel(deadline);
      socket.off("data", onData).off("error", onGone).off("end", onGone).off("close", onClose).pause();
      socket.unshift(early);
      if (protocol === "http2") {
        http2.accept(socket);
        return;
      }
      for (const accept of acceptHttp1) accept.call(http1, socket);
      socket.resume();
    };
    socket.on("error", onGone).on("end", onGone).on("close", onClose).on("data", onData);
  });
}

/** Undefined while the bytes could still become either. */
function decideProtocol(early: Buffer): "http1" | "http2" | undefined {
  const length = Math.min(early.length, preface.length);
  if (early.compare(preface, 0, length, 0, length) !== 0) return "http1";
  return length === preface.length ? "http2" : undefined;
}

import { join } from "node:path";
import { WebSocket } from "ws";
import type { Bench } from "./harness/bench.ts";
import { findFreePort } from "./harness/free-port.ts";
import { readProcessUsage } from "./harness/process-usage.ts";
import { startProcess } from "./harness/started-process.ts";
import { waitUntilServed } from "./harness/wait-until-served.ts";
import { startSidecar } from "./subjects/sluice-proxies.ts";

const count = 1000;

export const bench: Bench = {
  question: "Does the sidecar hold 1,000 WebSocket echo connections, and what do they cost?",
  async run(options) {
    const appPort = await findFreePort();
    const program = join(import.meta.dirname, "programs", "echo-server.ts");
    const app = startProcess({ command: process.execPath, args: [program, String(appPort)] });
    await waitUntilServed(`http://127.0.0.1:${appPort}/`, app);
    const { child, ports } = await startSidecar(0, appPort);
    const sockets: WebSocket[] = [];
    try {
      options.log(`opening ${count} WebSockets`);
      for (let opened = 0; opened < count; opened += 50) {
        sockets.push(...(await Promise.all(Array.from({ length: 50 }, () => open(ports.main)))));
      }
      const idle = readProcessUsage(child.pid);
      options.log("echoing");
      const echoed = await echoFor(sockets, options.seconds * 1000);
      const after = readProcessUsage(child.pid);
      const held = sockets.filter((socket) => socket.readyState === WebSocket.OPEN).length;
      const cpuUs =
        after.cpuMs === undefined || idle.cpuMs === undefined
          ? undefined
          : ((after.cpuMs - idle.cpuMs) * 1000) / echoed;
      return [
        {
          title: `${count} WebSocket echo connections through the sidecar, no limit`,
          columns: ["held at the end", "messages/s", "CPU µs/message", "peak RSS MiB", "anonymous MiB"],
          rows: [[held, echoed / options.seconds, cpuUs, after.peakRssMib, after.anonymousMib]],
          notes: [
            "each connection sends 32 bytes, waits for them to come back, and sends again; the client is Node too",
          ],
        },
      ];
    } finally {
      for (const socket of sockets) socket.terminate();
      await Promise.all([child.stop(), app.stop()]);
    }
  },
};

function open(port: number): Promise<WebSocket> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/`, { perMessageDeflate: false });
  return new Promise((resolve, reject) => {
    socket.on("open", () => resolve(socket)).on("error", reject);
  });
}

const message = "0123456789abcdef0123456789abcdef";

async function echoFor(sockets: readonly WebSocket[], durationMs: number): Promise<number> {
  let echoed = 0;
  let isOver = false;
  for (const socket of sockets) {
    socket.on("message", () => {
      if (isOver) return;
      echoed++;
      socket.send(message);
    });
    socket.send(message);
  }
  await new Promise((resolve) => setTimeout(resolve, durationMs));
  isOver = true;
  return echoed;
}

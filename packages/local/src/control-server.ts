import { chmodSync, existsSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { AdminServer, createMetrics, StartError, type AdminRoute, type Logger } from "@sluice/kit";

/** Serves the control routes on a Unix socket that only this user can reach. */
export class ControlServer {
  readonly #path: string;
  readonly #admin: AdminServer;

  constructor(path: string, routes: readonly AdminRoute[], log: Logger) {
    this.#path = path;
    this.#admin = new AdminServer({ address: "", port: 0, log, metrics: createMetrics(), routes });
  }

  async listen(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#admin.server.once("error", reject);
      this.#admin.server.listen(this.#path, resolve);
    });
    chmodSync(this.#path, 0o600);
  }

  async close(): Promise<void> {
    await this.#admin.close();
    rmSync(this.#path, { force: true });
  }
}

/** A socket that nobody answers is what a killed platform left behind, and is removed. Throws StartError when one answers. */
export async function claimSocket(path: string): Promise<void> {
  if (!existsSync(path)) return;
  if (await isAnswered(path)) {
    throw new StartError(
      "sluice is already running here",
      "use it (sluice get services), stop it with Ctrl-C where it runs, or start another with --runtime-dir and other ports",
    );
  }
  rmSync(path, { force: true });
}

async function isAnswered(path: string): Promise<boolean> {
  return await new Promise((resolve) => {
    const socket = connect(path);
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}

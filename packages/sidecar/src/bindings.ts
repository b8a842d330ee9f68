import type { Server as HttpServer } from "node:http";
import type { Server as HttpsServer } from "node:https";
import type { Server as NetServer } from "node:net";
import { listen } from "@sluice/kit";

/** Where a sidecar listens; `tls`, `metrics` and `profiling` only when they are wanted. */
export interface SidecarPorts {
  readonly main: number;
  readonly admin: number;
  readonly stats: number;
  readonly metrics?: number;
  readonly tls?: number;
  readonly profiling?: number;
}

/** A server and where it is to listen. */
export interface Binding {
  readonly name: keyof SidecarPorts;
  readonly server: HttpServer | HttpsServer | NetServer;
  readonly port: number;
  /** Where it is another than that of all. */
  readonly address?: string;
}

/** Resolves to the ports that were bound. Rejects when one cannot be; then none is open. */
export async function bindAll(bindings: readonly Binding[], address: string): Promise<SidecarPorts> {
  const ports = { main: 0, admin: 0, stats: 0 };
  try {
    const bound = await Promise.all(
      bindings.map(
        async ({ name, server, port, address: own = address }) =>
          [name, (await listen(server, port, own)).port] as const,
      ),
    );
    return { ...ports, ...Object.fromEntries(bound) };
  } catch (error) {
    for (const { server } of bindings) closeNow(server);
    throw error;
  }
}

export function closeNow(server: Binding["server"]): void {
  server.close();
  if ("closeAllConnections" in server) server.closeAllConnections();
}

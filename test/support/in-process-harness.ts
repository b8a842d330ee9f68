import type { Server } from "node:net";
import type { AddressInfo } from "node:net";
import { onTestFinished } from "vitest";
import { InProcessSidecar, type InProcessOptions } from "@sluice/sidecar";

/** What every sidecar inside an app is told in tests; its control ports are free ones. */
export const inProcessIdentity: InProcessOptions = {
  namespace: "default",
  revision: "greeter-00001",
  pod: "greeter-00001-abc",
  quietPeriodMs: 0,
  bindAddress: "127.0.0.1",
  ports: { stats: 0, metrics: 0, admin: 0 },
};

/** What a kubelet asks. */
export const kubelet = { "user-agent": "kube-probe/1", "k-network-probe": "queue" };

/** A sidecar with its control ports open; it stops at once when the test ends. */
export async function startInProcess(options: Partial<InProcessOptions> = {}): Promise<{
  sidecar: InProcessSidecar;
  ports: Awaited<ReturnType<InProcessSidecar["start"]>>;
}> {
  const sidecar = new InProcessSidecar({ ...inProcessIdentity, ...options });
  onTestFinished(() => sidecar.stop(AbortSignal.timeout(20)));
  return { sidecar, ports: await sidecar.start() };
}

/** Listens on a free port of loopback until the test ends. */
export async function openServer(server: Server): Promise<number> {
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  onTestFinished(() => {
    server.close();
    if ("closeAllConnections" in server && typeof server.closeAllConnections === "function") {
      server.closeAllConnections();
    }
  });
  return (server.address() as AddressInfo).port;
}

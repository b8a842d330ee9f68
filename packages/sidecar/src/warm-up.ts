import { createServer, request, type Server } from "node:http";
import { systemClock } from "@sluice/core";
import { listen, parseSettings, runStopStages } from "@sluice/kit";
import { startSidecar, type Sidecar } from "./service.ts";
import { sidecarSettings } from "./settings.ts";

const address = "127.0.0.1";
/** Enough that what every request runs through is compiled and its shapes are known. */
const requestCount = 20;

/**
 * Sends a few requests through a sidecar that stands for a moment on free ports of this machine, with an app of one line
 * behind it. V8 compiles a function when it is first called, so a spare's very first request would pay some 10 ms for code
 * that has only been loaded; a spare has the time to pay before anybody waits. Never rejects: cold code still works.
 */
export async function warmUp(): Promise<void> {
  const app = createServer((incoming, outgoing) => {
    incoming.resume();
    outgoing.end("ok");
  });
  let sidecar: Sidecar | undefined;
  try {
    const { port } = await listen(app, 0, address);
    sidecar = await startSidecar(parseSettings(sidecarSettings, { environment: toEnvironment(port) }));
    const { main, stats } = sidecar.ports;
    await send(main, "GET", { "user-agent": "kube-probe/", "k-network-probe": "queue" });
    await send(stats, "GET", {});
    for (let sent = 0; sent < requestCount; sent++) {
      await send(main, sent % 4 === 3 ? "POST" : "GET", { "k-proxy-request": "activator" });
    }
  } catch (error) {
    process.stderr.write(`the warm-up failed, the first request will be slower: ${String(error)}\n`);
  } finally {
    await close(app, sidecar);
  }
}

function toEnvironment(appPort: number): Record<string, string> {
  return {
    CONTAINER_CONCURRENCY: "0",
    QUEUE_SERVING_PORT: "0",
    QUEUE_SERVING_TLS_PORT: "0",
    USER_PORT: String(appPort),
    REVISION_TIMEOUT_SECONDS: "10",
    SERVING_READINESS_PROBE: JSON.stringify({
      tcpSocket: { host: address, port: appPort },
      successThreshold: 1,
    }),
    SERVING_LOGGING_CONFIG: "",
    SERVING_LOGGING_LEVEL: "error",
    SERVING_NAMESPACE: "warm-up",
    SERVING_CONFIGURATION: "warm-up",
    SERVING_REVISION: "warm-up",
    SERVING_POD: "warm-up",
    SERVING_POD_IP: address,
    SLUICE_BIND_ADDRESS: address,
    SLUICE_ADMIN_PORT: "0",
    SLUICE_STATS_PORT: "0",
    SLUICE_METRICS_PORT: "0",
    SLUICE_QUIET_PERIOD: "0s",
  };
}

async function send(port: number, method: string, headers: Readonly<Record<string, string>>): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const signal = AbortSignal.timeout(5000);
    const call = request({ host: address, port, method, headers, signal, agent: false }, (response) => {
      response.once("error", reject);
      response.once("end", resolve);
      response.resume();
    });
    call.once("error", reject);
    call.end(method === "POST" ? "body" : undefined);
  });
}

async function close(app: Server, sidecar: Sidecar | undefined): Promise<void> {
  if (sidecar !== undefined) await runStopStages(sidecar.stop, { log: sidecar.log, clock: systemClock });
  app.close();
  app.closeAllConnections();
}

import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { connect, createServer, type AddressInfo } from "node:net";

/** Where the binary is, or why it is not used. Built from Knative Serving's `cmd/queue`; nothing here builds it. */
export const queueProxyBinary = process.env["KNATIVE_QUEUE_PROXY"] ?? "";
export const whyNoQueueProxy =
  queueProxyBinary === "" ? "KNATIVE_QUEUE_PROXY does not name Knative's queue-proxy" : undefined;

/** Its admin, stats and metrics ports cannot be chosen, so there is one at a time. */
export const queueProxyPorts = { admin: 8022, stats: 9090, metrics: 9091 };

/** Knative's own sidecar in front of an app. */
export class QueueProxy implements AsyncDisposable {
  readonly port: number;
  readonly #process: ChildProcess;

  private constructor(port: number, process: ChildProcess) {
    this.port = port;
    this.#process = process;
  }

  /** Returns when it listens. */
  static async start(appPort: number, containerConcurrency: number): Promise<QueueProxy> {
    const port = await findFreePort();
    const child = spawn(queueProxyBinary, {
      stdio: ["ignore", "ignore", "inherit"],
      env: {
        CONTAINER_CONCURRENCY: String(containerConcurrency),
        QUEUE_SERVING_PORT: String(port),
        QUEUE_SERVING_TLS_PORT: "8112",
        USER_PORT: String(appPort),
        REVISION_TIMEOUT_SECONDS: "300",
        SERVING_READINESS_PROBE: JSON.stringify({ tcpSocket: { host: "127.0.0.1", port: appPort } }),
        SERVING_LOGGING_CONFIG: "",
        SERVING_LOGGING_LEVEL: "fatal",
        SERVING_NAMESPACE: "default",
        SERVING_CONFIGURATION: "hello",
        SERVING_REVISION: "hello-00001",
        SERVING_SERVICE: "hello",
        SERVING_POD: "hello-00001-a",
        SERVING_POD_IP: "127.0.0.1",
      },
    });
    const proxy = new QueueProxy(port, child);
    for (const each of [port, queueProxyPorts.stats]) await untilListening(each, child);
    return proxy;
  }

  /** It answers probes with 503 from now on, and requests as ever. */
  drain(): void {
    this.#process.kill("SIGTERM");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const ended = once(this.#process, "exit");
    this.#process.kill("SIGKILL");
    await ended;
  }
}

async function findFreePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

async function untilListening(port: number, child: ChildProcess): Promise<void> {
  for (;;) {
    if (child.exitCode !== null)
      throw new Error("the queue-proxy ended; another one, or somebody else, may have its ports");
    const socket = connect(port, "127.0.0.1");
    const isOpen = await new Promise<boolean>((resolve) => {
      socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
    });
    socket.destroy();
    if (isOpen) return;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

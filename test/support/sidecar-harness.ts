import {
  createServer,
  request as httpRequest,
  type IncomingMessage,
  type RequestListener,
  type Server,
} from "node:http";
import { connect, type AddressInfo, type Socket } from "node:net";
import { readSidecarSettings, startSidecar, type Sidecar, type SidecarPorts } from "@sluice/sidecar";
import { decodeStat, systemClock, type Clock, type Stat } from "@sluice/core";
import { onTestFinished } from "vitest";

/** Everything that Knative's controller always sets; ports are free ones. */
export function createSidecarEnvironment(
  userPort: number,
  overrides: Readonly<Record<string, string>> = {},
): Record<string, string> {
  return {
    CONTAINER_CONCURRENCY: "0",
    QUEUE_SERVING_PORT: "0",
    QUEUE_SERVING_TLS_PORT: "0",
    USER_PORT: String(userPort),
    REVISION_TIMEOUT_SECONDS: "300",
    SERVING_LOGGING_CONFIG: "",
    SERVING_LOGGING_LEVEL: "fatal",
    SERVING_NAMESPACE: "default",
    SERVING_CONFIGURATION: "greeter",
    SERVING_REVISION: "greeter-00001",
    SERVING_POD: "greeter-00001-abc",
    SERVING_POD_IP: "127.0.0.1",
    SLUICE_BIND_ADDRESS: "127.0.0.1",
    SLUICE_ADMIN_PORT: "0",
    SLUICE_STATS_PORT: "0",
    SLUICE_METRICS_PORT: "0",
    SLUICE_QUIET_PERIOD: "0s",
    ...overrides,
  };
}

export interface TestApp {
  readonly port: number;
  readonly server: Server;
  /** The requests that reached the app. */
  readonly requests: IncomingMessage[];
}

/** An app on a free port; closed when the test ends. */
export async function startApp(listener: RequestListener): Promise<TestApp> {
  const requests: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    requests.push(request);
    listener(request, response);
  });
  server.on("checkContinue", (request, response) => {
    requests.push(request);
    response.writeContinue();
    listener(request, response);
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return { port: (server.address() as AddressInfo).port, server, requests };
}

/** Ports that are not open are 0. */
export interface TestSidecar extends Sidecar {
  readonly ports: Required<SidecarPorts>;
}

/** A sidecar in front of `userPort`; stopped when the test ends. */
export async function startTestSidecar(
  userPort: number,
  overrides: Readonly<Record<string, string>> = {},
  clock: Clock = systemClock,
): Promise<TestSidecar> {
  const environment = createSidecarEnvironment(userPort, overrides);
  const sidecar = await startSidecar(readSidecarSettings({ environment }), clock);
  onTestFinished(() => stopSidecar(sidecar));
  return { ...sidecar, ports: { metrics: 0, tls: 0, profiling: 0, ...sidecar.ports } };
}

export async function stopSidecar(sidecar: Sidecar): Promise<void> {
  // Tests leave requests in flight on purpose; the stages give up on them when their signal says so.
  for (const stage of sidecar.stop) await stage.run(AbortSignal.timeout(50));
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  readonly rawHeaders: readonly string[];
  readonly trailers: IncomingMessage["trailers"];
  readonly body: string;
  readonly raw: Buffer;
}

export interface Question {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  readonly body?: string | Buffer;
  readonly signal?: AbortSignal;
}

/** One request on a connection of its own, answered whole. */
export function ask(port: number, question: Question = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = httpRequest({
      host: "127.0.0.1",
      port,
      agent: false,
      method: question.method ?? "GET",
      path: question.path ?? "/",
      headers: { ...question.headers } as Record<string, string>,
      ...(question.signal !== undefined && { signal: question.signal }),
    });
    request.on("error", reject).on("response", (response) => {
      const chunks: Buffer[] = [];
      response
        .on("data", (chunk: Buffer) => void chunks.push(chunk))
        .on("error", reject)
        .on("end", () =>
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            rawHeaders: response.rawHeaders,
            trailers: response.trailers,
            body: Buffer.concat(chunks).toString(),
            raw: Buffer.concat(chunks),
          }),
        );
    });
    request.end(question.body);
  });
}

/** A raw connection: writes bytes as they are and gathers what comes back. */
export class RawClient {
  readonly socket: Socket;
  received = "";
  isClosed = false;
  #wake: (() => void)[] = [];

  constructor(port: number) {
    this.socket = connect({ port, host: "127.0.0.1" });
    this.socket.setEncoding("latin1");
    this.socket
      .on("data", (text: string) => {
        this.received += text;
        this.#notify();
      })
      .on("error", () => this.#notify())
      .on("close", () => {
        this.isClosed = true;
        this.#notify();
      });
    onTestFinished(() => void this.socket.destroy());
  }

  write(text: string): this {
    this.socket.write(text, "latin1");
    return this;
  }

  /** Resolves when the text has arrived; rejects when the connection closes without it. */
  async waitFor(text: string | RegExp): Promise<string> {
    await this.#until(() => this.#has(text) || this.isClosed);
    if (!this.#has(text))
      throw new Error(`closed without ${String(text)}; got ${JSON.stringify(this.received)}`);
    return this.received;
  }

  async waitForClose(): Promise<string> {
    await this.#until(() => this.isClosed);
    return this.received;
  }

  #has(text: string | RegExp): boolean {
    return typeof text === "string" ? this.received.includes(text) : text.test(this.received);
  }

  async #until(isTrue: () => boolean): Promise<void> {
    while (!isTrue()) {
      await new Promise<void>((resolve) => {
        this.#wake.push(resolve);
      });
    }
  }

  #notify(): void {
    const wake = this.#wake;
    this.#wake = [];
    for (const resolve of wake) resolve();
  }
}

/** The sum of the series that have these labels, `name{label="value",…}`, as Prometheus reads them; undefined while there is none. */
export async function readMetric(metricsPort: number, series: string): Promise<number | undefined> {
  const { body } = await ask(metricsPort, { path: "/metrics" });
  const wanted = readSeries(series);
  const values = body
    .split("\n")
    .map((line) => ({ ...readSeries(line), value: Number(line.split(" ").at(-1)) }))
    .filter(
      ({ name, labels }) => name === wanted.name && wanted.labels.every((each) => labels.includes(each)),
    )
    .map(({ value }) => value);
  return values.length === 0 ? undefined : values.reduce((sum, value) => sum + value, 0);
}

function readSeries(line: string): { name: string; labels: string[] } {
  const [, name = "", labels = ""] = /^(\w+)(?:\{(.*)\})?/.exec(line) ?? [];
  return { name, labels: labels.match(/\w+="(?:[^"\\]|\\.)*"/g) ?? [] };
}

/** The stat as a scraper reads it. */
export function readStat(statsPort: number): Promise<Stat> {
  return new Promise((resolve, reject) => {
    httpRequest({ host: "127.0.0.1", port: statsPort, path: "/metrics", agent: false })
      .on("error", reject)
      .on("response", (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => void chunks.push(chunk));
        response.on("end", () => resolve(decodeStat(Buffer.concat(chunks))));
      })
      .end();
  });
}

/** Resolves when the series has the value. */
export async function untilMetric(metricsPort: number, series: string, value: number): Promise<void> {
  while ((await readMetric(metricsPort, series)) !== value);
}

/** Resolves when `isTrue` holds; looked at again after every turn of the event loop. */
export async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await new Promise((resolve) => setImmediate(resolve));
}

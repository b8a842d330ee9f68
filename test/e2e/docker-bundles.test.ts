import { decodeStat, statContentType } from "@sluice/core";
import { listen } from "@sluice/kit";
import { spawn, type ChildProcessByStdio } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { parse } from "yaml";
import { afterAll, beforeAll, expect, test } from "vitest";
import { FakeKubernetes } from "../support/fake-kubernetes.ts";
import { waitUntil } from "../support/wait-until.ts";

const root = join(import.meta.dirname, "..", "..");
const services = ["sidecar", "activator", "aggregator", "scaler"] as const;
/** Every address of the compose network has its counterpart on loopback, so that ports stay as they are. */
const toLoopback = (content: string): string => content.replaceAll("172.30.77.", "127.77.30.");
/** On loopback a peer is always this one. */
const loopback = "127.0.0.1";

interface ComposeService {
  command: string[];
  environment: Record<string, string>;
}

let folder = "";
let api: FakeKubernetes;
type Child = ChildProcessByStdio<null, Readable, Readable>;
const children: Child[] = [];

function start(args: readonly string[], environment: Readonly<Record<string, string>>): Child {
  const child = spawn(process.execPath, args, { env: environment, stdio: ["ignore", "pipe", "pipe"] });
  children.push(child);
  return child;
}

/** Starts a service of compose.yaml from its bundle, as its image does. */
function startComposed(service: ComposeService, changes: Readonly<Record<string, string>>): void {
  const args = service.command.map((word) =>
    word
      .replace(/^\/app\//, `${join(root, "dist")}/`)
      .replace(/^\/apps\//, `${join(root, "examples", "apps")}/`),
  );
  const environment = { ...service.environment, ...changes };
  start(
    args,
    Object.fromEntries(Object.entries(environment).map(([key, value]) => [key, toLoopback(value)])),
  );
}

async function findFreePort(): Promise<string> {
  const server = createServer();
  const { port } = await listen(server, 0, "0.0.0.0");
  await new Promise((resolve) => server.close(resolve));
  return String(port);
}

interface Answer {
  status: number | undefined;
  type: string | undefined;
  body: string;
}

function get(address: string, port: number, path: string, host?: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const headers = host === undefined ? {} : { host };
    const sent = request({ host: address, port, path, headers, agent: false }, (response) => {
      response.setEncoding("latin1");
      text(response).then(
        (body) => resolve({ status: response.statusCode, type: response.headers["content-type"], body }),
        reject,
      );
    });
    sent.on("error", reject);
    sent.end();
  });
}

/** Waits for an answer 200; a process that has not bound yet refuses the connection. */
function waitForAnswer(address: string, port: number, path: string, host?: string): Promise<Answer> {
  return waitUntil(`200 from ${address}:${port}${path}`, async () => {
    try {
      const answer = await get(address, port, path, host);
      return answer.status === 200 && answer;
    } catch {
      return false;
    }
  });
}

beforeAll(async () => {
  for (const service of services) {
    if (!existsSync(join(root, "dist", `${service}.mjs`)))
      throw new Error("dist/ is missing; run: npm run bundle");
  }
  folder = mkdtempSync(join(tmpdir(), "sluice-docker-"));
  api = new FakeKubernetes();
  await api.start();
});

afterAll(async () => {
  const ended = children
    .filter((child) => child.exitCode === null && child.signalCode === null)
    .map((child) => {
      child.kill("SIGKILL");
      return once(child, "exit");
    });
  await Promise.all(ended);
  await api.stop();
  rmSync(folder, { recursive: true });
});

test.each(services)("the bundle of the %s starts and explains its settings", async (service) => {
  const child = start([join(root, "dist", `${service}.mjs`), "--help"], {});
  const [output, [code]] = await Promise.all([text(child.stdout), once(child, "exit")]);
  expect(code).toBe(0);
  expect(output).toContain("Settings (a flag wins over its variable):");
});

test("compose.yaml runs a system that answers, from a feed that is a file", async () => {
  const compose = parse(readFileSync(join(root, "docker", "compose.yaml"), "utf8"), { merge: true }) as {
    services: Record<"activator" | "aggregator" | "app" | "sidecar", ComposeService>;
  };
  const feed = join(folder, "feed.yaml");
  writeFileSync(feed, toLoopback(readFileSync(join(root, "docker", "feed.yaml"), "utf8")));
  const { activator, aggregator, app, sidecar } = compose.services;
  // The app takes every address of this machine, so its port is another than in a network of its own.
  const appPort = await findFreePort();
  startComposed(app, { PORT: appPort });
  startComposed(sidecar, {
    USER_PORT: appPort,
    SERVING_READINESS_PROBE: sidecar.environment["SERVING_READINESS_PROBE"]?.replace("8080", appPort) ?? "",
    SLUICE_BIND_ADDRESS: "172.30.77.20",
    SLUICE_TRUSTED_PEERS: loopback,
  });
  startComposed(aggregator, { SLUICE_FEED: feed, SLUICE_BIND_ADDRESS: "172.30.77.11" });
  startComposed(activator, { SLUICE_FEED: feed, SLUICE_BIND_ADDRESS: "172.30.77.10" });
  const answer = await waitForAnswer(toLoopback("172.30.77.10"), 8000, "/", "hello.default.example.com");
  expect(answer.body).toBe("<h1>hello from compose</h1>\n");
  const unknown = await get(toLoopback("172.30.77.10"), 8000, "/", "other.example.com");
  expect(unknown.status).toBe(404);
  const stat = await waitForAnswer(toLoopback("172.30.77.20"), 9090, "/metrics");
  expect(stat.type).toBe(statContentType);
  expect(decodeStat(Buffer.from(stat.body, "latin1")).podName).toBe("hello-00001-0");
  const decisions = await waitUntil("a decision", async () => {
    const list = await waitForAnswer(toLoopback("172.30.77.11"), 8003, "/v1/scale");
    return (JSON.parse(list.body) as { items: { name: string }[] }).items[0];
  });
  expect(decisions.name).toBe("hello-00001");
});

test("the scaler's bundle reads a cluster and opens its feed", async () => {
  const kubeconfig = join(folder, "kubeconfig");
  writeFileSync(kubeconfig, api.toConfig().exportConfig());
  const port = await findFreePort();
  start([join(root, "dist", "scaler.mjs")], { KUBECONFIG: kubeconfig, SLUICE_PORT: port });
  expect((await waitForAnswer(loopback, Number(port), "/readyz")).body).toBe("ok\n");
  expect(JSON.parse((await get(loopback, Number(port), "/v1/feed")).body)).toMatchObject({ items: [] });
});

import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readlinkSync } from "node:fs";
import { createServer, get, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { warmUp } from "../../packages/sidecar/src/warm-up.ts";
import { waitUntil } from "../support/wait-until.ts";

const main = join(import.meta.dirname, "..", "..", "packages", "sidecar", "src", "main.ts");

let app: Server;
let spare: ChildProcess;

beforeEach(async () => {
  app = createServer((_request, response) => response.end("from the app")).listen(0, "127.0.0.1");
  await once(app, "listening");
  spare = spawn(process.execPath, [main], {
    env: { PATH: process.env["PATH"], SLUICE_ENVIRONMENT: "stdin" },
    stdio: ["pipe", "pipe", "inherit"],
  });
});

afterEach(() => {
  spare.kill("SIGKILL");
  app.close();
});

function toLine(): string {
  const appPort = (app.address() as AddressInfo).port;
  const variables = {
    CONTAINER_CONCURRENCY: "0",
    QUEUE_SERVING_PORT: "0",
    QUEUE_SERVING_TLS_PORT: "0",
    USER_PORT: String(appPort),
    REVISION_TIMEOUT_SECONDS: "10",
    SERVING_LOGGING_CONFIG: "",
    SERVING_LOGGING_LEVEL: "",
    SERVING_NAMESPACE: "default",
    SERVING_CONFIGURATION: "hello",
    SERVING_REVISION: "hello-00001",
    SERVING_POD: "hello-00001-a",
    SERVING_POD_IP: "127.0.0.1",
    SLUICE_BIND_ADDRESS: "127.0.0.1",
    SLUICE_ADMIN_PORT: "0",
    SLUICE_STATS_PORT: "0",
    SLUICE_METRICS_PORT: "0",
  };
  return `${JSON.stringify(variables)}\n`;
}

/** The first log line that says where it serves. */
async function readMainPort(): Promise<number> {
  let text = "";
  spare.stdout?.setEncoding("utf8").on("data", (part: string) => (text += part));
  const line = await waitUntil("the sidecar to serve", () =>
    text.split("\n").find((candidate) => candidate.includes('"sidecar serves"')),
  );
  return (JSON.parse(line) as { ports: { main: number } }).ports.main;
}

async function fetchText(port: number): Promise<string> {
  return await new Promise((resolve, reject) => {
    get({ host: "127.0.0.1", port, agent: false }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (part: string) => (text += part));
      response.once("end", () => resolve(text));
    }).once("error", reject);
  });
}

test("a spare that gets its variables before it is warm serves them", async () => {
  spare.stdin?.end(toLine());
  expect(await fetchText(await readMainPort())).toBe("from the app");
});

test("a spare that nobody wants ends by itself when its input ends", async () => {
  spare.stdin?.end();
  const [code] = (await once(spare, "exit")) as [number | null];
  expect(code).toBe(0);
});

test.runIf(process.platform === "linux")("nothing of a warm-up stays open", async () => {
  const before = listSockets();
  await warmUp();
  const after = await waitUntil("its sockets to be closed", () => {
    const open = listSockets();
    return open.length <= before.length && open;
  });
  expect(after.filter((socket) => !before.includes(socket))).toEqual([]);
});

function listSockets(): string[] {
  return readdirSync("/proc/self/fd").flatMap((descriptor) => {
    try {
      const target = readlinkSync(`/proc/self/fd/${descriptor}`);
      return target.startsWith("socket:") ? [target] : [];
    } catch {
      // The descriptor with which the folder was read.
      return [];
    }
  });
}

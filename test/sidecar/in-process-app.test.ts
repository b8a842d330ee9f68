import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { WebSocket } from "ws";
import { kubelet } from "../support/in-process-harness.ts";
import { ask, readMetric } from "../support/sidecar-harness.ts";
import { runSidecar, waitForLine } from "../support/sidecar-process.ts";

const root = join(import.meta.dirname, "..", "..");
const anyPorts = { PORT: "0", STATS_PORT: "0", METRICS_PORT: "0", ADMIN_PORT: "0" };

function openWebSocket(port: number): Promise<WebSocket> {
  return new Promise((resolve, reject) => {
    const ws = new WebSocket(`ws://127.0.0.1:${port}/`);
    onTestFinished(() => ws.terminate());
    ws.once("open", () => resolve(ws)).once("error", reject);
  });
}

describe("an app with the sidecar inside, as a process", () => {
  test("the example answers, echoes, counts, and leaves on SIGTERM", async () => {
    const app = runSidecar(
      { ...anyPorts, QUIET_PERIOD_MS: "0", HOSTNAME: "pod-1" },
      join(root, "examples", "apps", "in-process-app.mjs"),
    );
    const [, port, , metrics] = (await waitForLine(app, /app on (\d+), stat on (\d+), metrics on (\d+)/)).map(
      Number,
    );
    expect((await ask(port ?? 0, { headers: { "k-original-host": "a.example" } })).body).toBe(
      "hello a.example, this is pod-1\n",
    );
    expect((await ask(port ?? 0, { headers: kubelet })).body).toBe("queue");
    const ws = await openWebSocket(port ?? 0);
    const echoed = new Promise((resolve) => {
      ws.once("message", (data: Buffer) => resolve(data.toString()));
    });
    ws.send("hi");
    expect(await echoed).toBe("hi");
    expect(await readMetric(metrics ?? 0, "kn_serving_queue_depth")).toBe(1);
    const closed = new Promise((resolve) => ws.once("close", resolve));
    app.child.kill("SIGTERM");
    ws.close();
    await closed;
    expect(await app.exit).toBe(0);
  });

  test("a handler that throws is what it is without us, and its client gets a 500", async () => {
    const app = runSidecar({}, join(root, "test", "support", "apps", "throwing-app.mjs"));
    const [, port] = (await waitForLine(app, /on (\d+)/)).map(Number);
    expect(await ask(port ?? 0)).toMatchObject({ status: 500, body: "internal error\n" });
    await waitForLine(app, /uncaught: thrown/);
    // Its slot was given back.
    expect((await ask(port ?? 0)).status).toBe(500);
  });
});

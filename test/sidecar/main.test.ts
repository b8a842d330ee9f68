import { createServer, type AddressInfo } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import { ask, createSidecarEnvironment, startApp } from "../support/sidecar-harness.ts";
import { runSidecar, waitForLine } from "../support/sidecar-process.ts";

describe("the sidecar as a process", () => {
  test("serves, logs its requests by the template, and leaves with 0 on SIGTERM", async () => {
    const app = await startApp((_request, response) => response.end("hello"));
    const template =
      "log {{.Request.Method}} {{.Request.RequestURI}} {{.Response.Code}} {{.Response.Size}} {{.TraceID}}";
    const observability = JSON.stringify({
      requestMetrics: { protocol: "prometheus" },
      enableRequestLog: true,
      requestLogTemplate: template,
    });
    const sidecar = runSidecar(
      createSidecarEnvironment(app.port, {
        SERVING_LOGGING_LEVEL: "info",
        OBSERVABILITY_CONFIG: observability,
      }),
    );
    const port = Number((await waitForLine(sidecar, /"main":(\d+)/))[1]);
    const logged = waitForLine(sidecar, /^log GET \/x\?y 200 5 4bf9\n/m);
    await ask(port, { headers: { "user-agent": "kube-probe/1", "k-network-probe": "queue" } });
    await ask(port, { path: "/x?y", headers: { traceparent: "00-4bf9-00f0-01" } });
    await logged;
    expect(sidecar.out.match(/^log /gm)).toHaveLength(1);
    sidecar.child.kill("SIGTERM");
    expect(await sidecar.exit).toBe(0);
    expect(sidecar.error).toBe("");
  });

  test("reports all problems of its settings at once, one line each, with exit code 64", async () => {
    const { USER_PORT, ...rest } = createSidecarEnvironment(1, {
      CONTAINER_CONCURRENCY: "many",
      SERVING_READINESS_PROBE: "{",
      SLUICE_TRUSTED_PEERS: "10.0.0.0/99",
      SLUICE_QUIET_PERIOD: "soon",
      OBSERVABILITY_CONFIG: "[]",
    });
    expect(USER_PORT).toBe("1");
    const sidecar = runSidecar(rest);
    expect(await sidecar.exit).toBe(64);
    const names = sidecar.error
      .trim()
      .split("\n")
      .map((line) => line.split(" ")[0]);
    expect(names.toSorted((a = "", b = "") => a.localeCompare(b))).toEqual([
      "CONTAINER_CONCURRENCY",
      "OBSERVABILITY_CONFIG",
      "SERVING_READINESS_PROBE",
      "SLUICE_QUIET_PERIOD",
      "SLUICE_TRUSTED_PEERS",
      "USER_PORT",
    ]);
  });

  test("says at the start what is wrong with a request log's template, and in which line", async () => {
    const config = { enableRequestLog: true, requestLogTemplate: "{{.TraceID}}\n{{if .Response}}" };
    const sidecar = runSidecar(createSidecarEnvironment(1, { OBSERVABILITY_CONFIG: JSON.stringify(config) }));
    expect(await sidecar.exit).toBe(64);
    expect(sidecar.error).toMatch(/^OBSERVABILITY_CONFIG .*line 2: \{\{if\}\} has no \{\{end\}\}/);
  });

  test("says in one line which port it cannot have, and leaves with 1", async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => {
      taken.listen(0, "127.0.0.1", resolve);
    });
    onTestFinished(() => void taken.close());
    const { port } = taken.address() as AddressInfo;
    const sidecar = runSidecar(createSidecarEnvironment(1, { QUEUE_SERVING_PORT: String(port) }));
    expect(await sidecar.exit).toBe(1);
    expect(sidecar.error).toMatch(new RegExp(`^cannot listen on 127.0.0.1:${port}: [^\\n]+\\n$`));
  });

  test("a spare binds nothing until it gets its variables, and then is a sidecar", async () => {
    const app = await startApp((_request, response) => response.end("hello"));
    const spare = runSidecar({ SLUICE_ENVIRONMENT: "stdin" });
    spare.child.stdin?.write(
      `${JSON.stringify(createSidecarEnvironment(app.port, { SERVING_LOGGING_LEVEL: "info" }))}\n`,
    );
    const port = Number((await waitForLine(spare, /"main":(\d+)/))[1]);
    expect((await ask(port)).body).toBe("hello");
    spare.child.kill("SIGTERM");
    expect(await spare.exit).toBe(0);
  });

  test("a spare that nobody wants ends with its input", async () => {
    const spare = runSidecar({ SLUICE_ENVIRONMENT: "stdin" });
    spare.child.stdin?.end();
    expect(await spare.exit).toBe(0);
    expect(spare.out).toBe("");
  });

  test("a spare that gets nonsense says so", async () => {
    const spare = runSidecar({ SLUICE_ENVIRONMENT: "stdin" });
    spare.child.stdin?.write("nonsense\n");
    expect(await spare.exit).toBe(1);
    expect(spare.error).toMatch(/^the line on standard input is not a JSON object of variables; [^\n]+\n$/);
  });
});

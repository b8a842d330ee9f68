import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { expect, onTestFinished, test } from "vitest";
import { toBundleNames } from "../../scripts/bundle-options.ts";
import { startCollector } from "../support/otlp-collector.ts";
import { ask, createSidecarEnvironment, startApp, until } from "../support/sidecar-harness.ts";
import { runSidecar, waitForLine } from "../support/sidecar-process.ts";

const dist = join(import.meta.dirname, "..", "..", "dist");

/** As in the image: the bundles alone, with nothing around that a forgotten import could find. */
function copyBundles(): string {
  const folder = mkdtempSync(join(tmpdir(), "sluice-bundles-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  for (const name of toBundleNames("sidecar"))
    copyFileSync(join(dist, `${name}.mjs`), join(folder, `${name}.mjs`));
  return join(folder, "sidecar.mjs");
}

test.each(["grpc", "http/protobuf"] as const)(
  "the bundled sidecar loads its parts when it is told to: metrics and traces over %s, and profiles",
  async (protocol) => {
    const collector = await startCollector();
    const app = await startApp((_request, response) => response.end("hello"));
    const endpoint = protocol === "grpc" ? collector.grpcUrl : collector.httpUrl;
    const config = {
      tracing: { protocol, endpoint, samplingRate: 1 },
      requestMetrics: { protocol, endpoint, exportInterval: 50e6 },
      runtime: { profiling: "enabled" },
    };
    const sidecar = runSidecar(
      createSidecarEnvironment(app.port, {
        SERVING_LOGGING_LEVEL: "info",
        OBSERVABILITY_CONFIG: JSON.stringify(config),
        OTEL_BSP_SCHEDULE_DELAY: "20",
        OTEL_EXPORTER_OTLP_HEADERS: "x-tenant=blue",
        PROFILING_PORT: "0",
      }),
      copyBundles(),
    );
    const ports = (await waitForLine(sidecar, /"main":(\d+).*"profiling":(\d+)/)).map(Number);
    const [, main = 0, profiling = 0] = ports;
    expect((await ask(main)).body).toBe("hello");
    await until(
      () => collector.spans.length === 3 && collector.metrics.has("kn.serving.invocation.duration"),
    );
    const tenants = new Set(collector.requests.map(({ headers }) => headers["x-tenant"]));
    expect([...tenants]).toEqual(protocol === "grpc" ? [] : ["blue"]);
    const { status, raw } = await ask(profiling, { path: "/debug/pprof/profile?seconds=0.1" });
    expect(status).toBe(200);
    expect(gunzipSync(raw).length).toBeGreaterThan(0);
    sidecar.child.kill("SIGTERM");
    expect(await sidecar.exit).toBe(0);
    expect(sidecar.error).toBe("");
  },
);

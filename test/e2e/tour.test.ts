import { join } from "node:path";
import { expect, test } from "vitest";
import { runSluice } from "../support/run-sluice.ts";

const root = join(import.meta.dirname, "..", "..");

test("the article comes out: zero, held, 1 pod for fast requests, 5 for slow ones, zero again, and never a non-200", async () => {
  const { code, stdout, stderr } = await runSluice([
    "tour",
    ...["helloworld-go.yaml", "autoscale-go.yaml", "images.yaml"].map((name) => join(root, "examples", name)),
    join(import.meta.dirname, "config-autoscaler.yaml"),
    "--duration",
    "10s",
    "--idle",
    "60s",
    "--json",
  ]);
  expect({ code, stdout: code === 0 ? "" : stdout, stderr }).toEqual({ code: 0, stdout: "", stderr: "" });
  const result: unknown = JSON.parse(stdout);
  expect(result).toMatchObject({
    helloPods: { ready: 1, most: 1 },
    slowPods: { ready: 5, most: 5 },
  });
  for (const load of ["helloLoad", "slowLoad"]) {
    expect(result).toHaveProperty([load, "errors"], 0);
    expect(result).toHaveProperty([load, "statuses"], { "200": expect.any(Number) });
  }
});

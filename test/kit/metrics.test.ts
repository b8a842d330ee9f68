import { addGauge, createMetrics, LabelBound, otherLabel } from "@sluice/kit";
import { describe, expect, test } from "vitest";

describe("metrics", () => {
  test("a registry holds the process's own figures, read when it is scraped", async () => {
    const registry = createMetrics();
    let value = 1;
    addGauge(registry, "sluice_test_value", "Test.", () => value);
    value = 7;
    const text = await registry.metrics();
    expect(text).toContain("sluice_test_value 7");
    expect(Number(/^process_resident_memory_bytes (\d+)$/m.exec(text)?.[1])).toBeGreaterThan(1e6);
    expect(Number(/^process_cpu_seconds_total ([\d.e-]+)$/m.exec(text)?.[1])).toBeGreaterThan(0);
    expect(registry.contentType).toBe("text/plain; version=0.0.4; charset=utf-8");
  });

  test("two registries in one process know nothing of each other", async () => {
    const first = createMetrics();
    addGauge(first, "sluice_only_here", "Test.", () => 1);
    expect(await createMetrics().metrics()).not.toContain("sluice_only_here");
  });

  test("values beyond the bound share one label, and a deleted one makes room", () => {
    const bound = new LabelBound(2);
    expect(["a", "b", "c", "a"].map((value) => bound.toLabel(value))).toEqual(["a", "b", otherLabel, "a"]);
    bound.delete("a");
    expect(["c", "a"].map((value) => bound.toLabel(value))).toEqual(["c", otherLabel]);
  });
});

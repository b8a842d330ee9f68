import {
  addGauge,
  CounterFamily,
  createMetrics,
  Histogram,
  HistogramFamily,
  LabelBound,
  otherLabel,
  Registry,
} from "@sluice/kit";
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

  test("a series that is counted in place is scraped like any other, until it is deleted", async () => {
    const registry = new Registry();
    const family = new CounterFamily({ name: "sluice_test_total", help: "Test.", registry });
    const first = family.add({ code: "200", path: 'a"b' });
    const second = family.add({ code: "404", path: "c" });
    first.value += 3;
    expect(await registry.metrics()).toBe(
      "# HELP sluice_test_total Test.\n# TYPE sluice_test_total counter\n" +
        'sluice_test_total{code="200",path="a\\"b"} 3\nsluice_test_total{code="404",path="c"} 0\n',
    );
    family.delete(second);
    expect(await registry.metrics()).not.toContain("404");
  });

  test("its histogram says what prom-client's says of the same values", async () => {
    const buckets = [0.005, 0.1, 1, 10];
    const labels = { namespace: "default", revision: "one" };
    const options = { name: "sluice_test_seconds", help: "Test.", buckets };
    const [own, theirs] = [new Registry(), new Registry()];
    const series = new HistogramFamily({ ...options, registry: own }).add(labels);
    const histogram = new Histogram({ ...options, labelNames: Object.keys(labels), registers: [theirs] });
    for (const value of [0, 0.005, 0.0051, 0.5, 1, 3, 10, 11, 1000]) {
      series.observe(value);
      histogram.observe(labels, value);
    }
    expect(await own.metrics()).toBe(await theirs.metrics());
  });

  test("values beyond the bound share one label, and a deleted one makes room", () => {
    const bound = new LabelBound(2);
    expect(["a", "b", "c", "a"].map((value) => bound.toLabel(value))).toEqual(["a", "b", otherLabel, "a"]);
    bound.delete("a");
    expect(["c", "a"].map((value) => bound.toLabel(value))).toEqual(["c", otherLabel]);
  });
});

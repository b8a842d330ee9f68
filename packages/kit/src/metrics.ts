import { Counter, Gauge, Registry } from "prom-client";

/**
 * A registry that already holds the process's own figures. They are read from the system when somebody scrapes, so
 * an idle process does nothing for them (prom-client's own set keeps a timer and a garbage collection observer).
 */
export function createMetrics(): Registry {
  const registry = new Registry();
  const registers: Registry[] = [];
  registry.registerMetric(
    new Counter({
      name: "process_cpu_seconds_total",
      help: "User and system CPU time of this process in seconds.",
      registers,
      collect() {
        const usage = process.cpuUsage();
        this.reset();
        this.inc((usage.user + usage.system) / 1e6);
      },
    }),
  );
  addGauge(
    registry,
    "process_start_time_seconds",
    "When this process started, in seconds since the epoch.",
    () => performance.timeOrigin / 1000,
  );
  addGauge(registry, "process_resident_memory_bytes", "Resident memory in bytes.", () =>
    process.memoryUsage.rss(),
  );
  addGauge(
    registry,
    "nodejs_heap_size_used_bytes",
    "JavaScript heap in use, in bytes.",
    () => process.memoryUsage().heapUsed,
  );
  addGauge(
    registry,
    "nodejs_eventloop_utilization_ratio",
    "Share of the time since the process started in which the event loop was busy.",
    () => performance.eventLoopUtilization().utilization,
  );
  return registry;
}

/** A gauge whose value is read when somebody scrapes. */
export function addGauge(registry: Registry, name: string, help: string, read: () => number): void {
  const registers: Registry[] = [];
  registry.registerMetric(
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(read());
      },
    }),
  );
}

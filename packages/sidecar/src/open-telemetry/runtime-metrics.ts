import type { MeterProvider } from "@opentelemetry/sdk-metrics";

/** The process's own figures, by OpenTelemetry's names for Node. They are read when they are sent. */
export function addRuntimeMetrics(provider: MeterProvider): void {
  const meter = provider.getMeter("sluice/sidecar");
  meter
    .createObservableCounter("process.cpu.time", { unit: "s", description: "CPU time of this process." })
    .addCallback((result) => {
      const { user, system } = process.cpuUsage();
      result.observe(user / 1e6, { "cpu.mode": "user" });
      result.observe(system / 1e6, { "cpu.mode": "system" });
    });
  meter
    .createObservableGauge("process.memory.usage", { unit: "By", description: "Resident memory." })
    .addCallback((result) => result.observe(process.memoryUsage.rss()));
  meter
    .createObservableGauge("v8js.memory.heap.used", { unit: "By", description: "JavaScript heap in use." })
    .addCallback((result) => result.observe(process.memoryUsage().heapUsed));
  meter
    .createObservableGauge("nodejs.eventloop.utilization", {
      unit: "1",
      description: "Share of the time since the start in which the event loop was busy.",
    })
    .addCallback((result) => result.observe(performance.eventLoopUtilization().utilization));
}

import type { Bench } from "./harness/bench.ts";
import { findLoadGenerator } from "./harness/load-generator.ts";
import { readProcessUsage } from "./harness/process-usage.ts";
import { startUpstream } from "./harness/upstream.ts";
import { startSidecar } from "./subjects/sluice-proxies.ts";

/** One sample after each piece of load; `--seconds 30` makes it ten minutes. */
const samples = 20;

export const bench: Bench = {
  question: "Does the sidecar's memory grow under a load that goes on?",
  async run(options) {
    const generator = findLoadGenerator();
    const upstream = await startUpstream();
    const { child, ports } = await startSidecar(10, upstream.port);
    const load = { url: `http://127.0.0.1:${ports.main}/`, connections: 50 };
    try {
      await generator.run({ ...load, seconds: 5 });
      const anonymous: number[] = [];
      let requests = 0;
      for (let sample = 1; sample <= samples; sample++) {
        requests += (await generator.run({ ...load, seconds: options.seconds })).requests;
        anonymous.push(readProcessUsage(child.pid).anonymousMib ?? Number.NaN);
        options.log(`soak: ${sample} of ${samples}`);
      }
      const minutes = (samples * options.seconds) / 60;
      const peak = readProcessUsage(child.pid).peakRssMib;
      return [
        {
          title: `Soak of ${minutes.toFixed(1)} minutes, 50 connections, limit 10`,
          columns: ["requests", "anonymous MiB, first", "last", "slope MiB/minute", "peak RSS MiB"],
          rows: [[requests, anonymous[0], anonymous.at(-1), fitSlope(anonymous) * (samples / minutes), peak]],
          notes: ["slope: least squares over one sample after each twentieth of the time"],
        },
      ];
    } finally {
      await child.stop();
      await upstream.stop();
    }
  },
};

/** Least squares, per sample. */
function fitSlope(values: readonly number[]): number {
  const meanX = (values.length - 1) / 2;
  const meanY = values.reduce((sum, value) => sum + value, 0) / values.length;
  const covariance = values.reduce((sum, value, index) => sum + (index - meanX) * (value - meanY), 0);
  const variance = values.reduce((sum, _value, index) => sum + (index - meanX) ** 2, 0);
  return covariance / variance;
}

import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  ParentBasedSampler,
  TraceIdRatioBasedSampler,
  type Sampler,
} from "@opentelemetry/sdk-trace";
import type { SidecarSettings } from "../settings.ts";

/**
 * Which traces are kept. OpenTelemetry's variable names a sampler; else Knative's rate counts, where 1 and 0 are always and never,
 * and anything between asks only where the client has not decided. Throws RangeError for a sampler that nobody knows.
 */
export function toSampler({ tracesSampler, tracesSamplerRatio, observability }: SidecarSettings): Sampler {
  const { protocol, samplingRate } = observability.tracing;
  if (tracesSampler !== "") return findSampler(tracesSampler, tracesSamplerRatio ?? 1);
  const rate = tracesSamplerRatio ?? samplingRate;
  if (rate >= 1 || protocol === "stdout") return new AlwaysOnSampler();
  return rate <= 0
    ? new AlwaysOffSampler()
    : new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(rate) });
}

/** OpenTelemetry's names (environment variable specification, OTEL_TRACES_SAMPLER). */
const samplers: Readonly<Record<string, (ratio: number) => Sampler>> = {
  always_on: () => new AlwaysOnSampler(),
  always_off: () => new AlwaysOffSampler(),
  traceidratio: (ratio) => new TraceIdRatioBasedSampler(ratio),
  parentbased_always_on: () => new ParentBasedSampler({ root: new AlwaysOnSampler() }),
  parentbased_always_off: () => new ParentBasedSampler({ root: new AlwaysOffSampler() }),
  parentbased_traceidratio: (ratio) => new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(ratio) }),
};

function findSampler(name: string, ratio: number): Sampler {
  const create = Object.hasOwn(samplers, name) ? samplers[name] : undefined;
  if (create === undefined) {
    throw new RangeError(`OTEL_TRACES_SAMPLER must be one of ${Object.keys(samplers).join(", ")}`);
  }
  return create(ratio);
}

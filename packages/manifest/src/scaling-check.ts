import { defaultAutoscalerConfig, resolveScalingSpec } from "@sluice/core";
import type { Findings } from "./problem.ts";

/** The cluster may allow an initial scale of 0; whether it does is known where decisions are made. */
const config = { ...defaultAutoscalerConfig, allowZeroInitialScale: true };

/** Refuses scaling annotations that are out of bounds or contradict one another; `field` is where they stand. */
export function checkScaling(
  annotations: Readonly<Record<string, string>>,
  containerConcurrency: number,
  field: string,
  findings: Findings,
): void {
  const { problems } = resolveScalingSpec(config, { annotations, containerConcurrency });
  for (const { name, rule, value } of problems) {
    findings.refuse(`${field}[${name}]`, `must be ${rule}`, value);
  }
}

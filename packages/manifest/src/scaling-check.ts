import { defaultAutoscalerConfig, kpaClass, resolveScalingSpec, scalingAnnotations } from "@sluice/core";
import type { Findings } from "./problem.ts";

/** The cluster may allow an initial scale of 0; whether it does is known where decisions are made. */
const config = { ...defaultAutoscalerConfig, allowZeroInitialScale: true };

const known: ReadonlySet<string> = new Set(Object.values(scalingAnnotations).flatMap(({ keys }) => keys));

/** Refuses scaling annotations that are out of bounds or contradict one another; `field` is where they stand. */
export function checkScaling(
  annotations: Readonly<Record<string, string>>,
  containerConcurrency: number,
  field: string,
  findings: Findings,
): void {
  for (const key of Object.keys(annotations)) {
    if (!key.startsWith("autoscaling.knative.dev/") || known.has(key)) continue;
    findings.warn(
      `${field}[${key}]`,
      "is not an annotation that scaling knows and has no effect",
      annotations[key],
    );
  }
  const scalingClass = annotations[scalingAnnotations.class.keys[0]];
  if (scalingClass !== undefined && scalingClass !== kpaClass) {
    const rule = "leaves the number of pods to somebody else: nothing here makes a HorizontalPodAutoscaler";
    findings.warn(`${field}[${scalingAnnotations.class.keys[0]}]`, rule, scalingClass);
  }
  const { problems } = resolveScalingSpec(config, { annotations, containerConcurrency });
  for (const { name, rule, value } of problems) {
    findings.refuse(`${field}[${name}]`, `must be ${rule}`, value);
  }
}

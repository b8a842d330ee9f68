import type { FieldReader } from "./field-reader.ts";
import { names } from "./names.ts";
import type { RevisionTemplate } from "./workload.ts";

/** Knative's `config-defaults` (reference §4.3). */
export const revisionDefaults = {
  containerConcurrency: 0,
  maxContainerConcurrency: 1000,
  timeoutSeconds: 300,
  maxTimeoutSeconds: 600,
  responseStartTimeoutSeconds: 300,
  idleTimeoutSeconds: 0,
} as const;

/** `containerConcurrency`; 0, which is the default, is no limit. */
export function parseConcurrency(spec: FieldReader): number {
  const max = revisionDefaults.maxContainerConcurrency;
  return spec.integer("containerConcurrency", 0, max) ?? revisionDefaults.containerConcurrency;
}

/**
 * The three limits with Knative's defaults: a request limit of 0 means the default, and the default for the first
 * byte applies only where it is strictly below the request limit (reference §4.1).
 */
function toTimeouts(written: {
  request?: number | undefined;
  responseStart?: number | undefined;
  idle?: number | undefined;
}): RevisionTemplate["timeouts"] {
  const request = (written.request ?? 0) === 0 ? revisionDefaults.timeoutSeconds : (written.request ?? 0);
  const fallback = revisionDefaults.responseStartTimeoutSeconds;
  return {
    request,
    responseStart: written.responseStart ?? (fallback < request ? fallback : 0),
    idle: written.idle ?? revisionDefaults.idleTimeoutSeconds,
  };
}

export function parseTimeouts(spec: FieldReader): RevisionTemplate["timeouts"] {
  const max = revisionDefaults.maxTimeoutSeconds;
  return toTimeouts({
    request: spec.integer("timeoutSeconds", 0, max),
    responseStart: spec.integer("responseStartTimeoutSeconds", 0, max),
    idle: spec.integer("idleTimeoutSeconds", 0, max),
  });
}

function parseNumber(
  annotations: Readonly<Record<string, string>>,
  name: string,
  max: number,
  metadata: FieldReader,
): number | undefined {
  const text = annotations[name];
  if (text === undefined) return undefined;
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (value <= max) return value;
  metadata.refuse(`annotations[${name}]`, `must be a whole number from 0 to ${max}`, text);
  return undefined;
}

/** The same limits of a plain Deployment, which has no fields for them, from its annotations. */
export function parseAnnotatedLimits(
  annotations: Readonly<Record<string, string>>,
  metadata: FieldReader,
): Pick<RevisionTemplate, "containerConcurrency" | "timeouts"> {
  const read = (name: string, max: number): number | undefined =>
    parseNumber(annotations, name, max, metadata);
  const { maxTimeoutSeconds, maxContainerConcurrency, containerConcurrency } = revisionDefaults;
  return {
    containerConcurrency: read(names.containerConcurrency, maxContainerConcurrency) ?? containerConcurrency,
    timeouts: toTimeouts({
      request: read(names.timeout, maxTimeoutSeconds),
      responseStart: read(names.responseStartTimeout, maxTimeoutSeconds),
      idle: read(names.idleTimeout, maxTimeoutSeconds),
    }),
  };
}

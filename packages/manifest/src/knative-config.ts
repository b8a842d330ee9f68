import { parseDurationMs } from "@sluice/core";
import { toObjectLabel, type ManifestDocument } from "./document.ts";
import { readPath } from "./edit.ts";
import { isJsonObject, type JsonObject } from "./field-reader.ts";
import { parseYaml } from "./kubernetes-yaml.ts";
import { Findings, type Problem } from "./problem.ts";

/** A domain, and the labels of the services that it is for; without any it is for all. */
export interface DomainRule {
  readonly domain: string;
  readonly selector: Readonly<Record<string, string>>;
}

/** What an operator of Knative set for all services, as far as a rendered one shows it (reference §4.3). */
export interface KnativeConfig {
  /** Fields of a revision's spec, where it does not have them. */
  readonly spec: JsonObject;
  readonly responseStartTimeoutSeconds?: number;
  /** Resources of an app's container, where it does not have them. */
  readonly requests: JsonObject;
  readonly limits: JsonObject;
  /** Annotations of a template, where it does not have them. */
  readonly annotations: Readonly<Record<string, string>>;
  readonly domains: readonly DomainRule[];
}

type Draft = {
  spec: Record<string, unknown>;
  responseStartTimeoutSeconds?: number;
  requests: Record<string, string>;
  limits: Record<string, string>;
  annotations: Record<string, string>;
  domains: DomainRule[];
};

type Reader = (text: string, draft: Draft) => string | undefined;

function integer(max: number, set: (value: number, draft: Draft) => void): Reader {
  return (text, draft) => {
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (!(value <= max)) return `must be a whole number from 0 to ${max}`;
    set(value, draft);
    return undefined;
  };
}

function into(part: "requests" | "limits", resource: string): Reader {
  return (text, draft) => void (draft[part][resource] = text);
}

function asAnnotation(name: string): Reader {
  return (text, draft) => void (draft.annotations[name] = text);
}

const resources = (["cpu", "memory", "ephemeral-storage"] as const).flatMap((resource) =>
  (["request", "limit"] as const).map((kind) => ({ resource, kind })),
);

const keysOf: Readonly<Record<string, Readonly<Record<string, Reader>>>> = {
  "config-defaults": {
    "container-concurrency": integer(1000, (value, { spec }) => (spec["containerConcurrency"] = value)),
    "revision-timeout-seconds": integer(600, (value, { spec }) => (spec["timeoutSeconds"] = value)),
    "revision-idle-timeout-seconds": integer(600, (value, { spec }) => (spec["idleTimeoutSeconds"] = value)),
    "revision-response-start-timeout-seconds": integer(
      600,
      (value, draft) => (draft.responseStartTimeoutSeconds = value),
    ),
    "enable-service-links": (text, { spec }) => {
      if (text === "default") return undefined;
      if (text !== "true" && text !== "false") return "must be true, false or default";
      spec["enableServiceLinks"] = text === "true";
      return undefined;
    },
    ...Object.fromEntries(
      resources.map(({ resource, kind }) => [`revision-${resource}-${kind}`, into(`${kind}s`, resource)]),
    ),
  },
  "config-deployment": {
    "progress-deadline": (text, { annotations }) => {
      if (parseDurationMs(text) === undefined) return "must be a duration such as 600s";
      annotations["serving.knative.dev/progress-deadline"] = text;
      return undefined;
    },
    ...Object.fromEntries(
      resources.map(({ resource, kind }) => [
        `queue-sidecar-${resource}-${kind}`,
        asAnnotation(`queue.sidecar.serving.knative.dev/${resource}-resource-${kind}`),
      ]),
    ),
  },
};

function readDomain(domain: string, text: string): DomainRule | undefined {
  const [document] = parseYaml(text);
  const value: unknown = document?.errors.length === 0 ? document.toJS() : undefined;
  const selector = readPath(value, ["selector"]);
  if (text.trim() === "") return { domain, selector: {} };
  if (!isJsonObject(selector)) return undefined;
  return {
    domain,
    selector: Object.fromEntries(Object.entries(selector).map(([key, label]) => [key, String(label)])),
  };
}

/** `knative-serving` is where Knative's own stand; without a namespace it is a part of such a file. */
export function isKnativeConfig({ kind, name, object }: ManifestDocument): boolean {
  const namespace = readPath(object, ["metadata", "namespace"]) ?? "knative-serving";
  return kind === "ConfigMap" && /^config-[a-z-]+$/.test(name) && namespace === "knative-serving";
}

function readMap(document: ManifestDocument, draft: Draft, findings: Findings): void {
  const data = readPath(document.object, ["data"]);
  const keys = keysOf[document.name];
  if (keys === undefined && document.name !== "config-domain") {
    findings.warn("", "is a setting of Knative that nothing here reads, and is left out");
    return;
  }
  for (const [key, value] of Object.entries(isJsonObject(data) ? data : {})) {
    // Knative ships the documentation of each in it.
    if (key === "_example" || typeof value !== "string") continue;
    if (document.name === "config-domain") {
      const rule = readDomain(key, value);
      if (rule === undefined) findings.refuse(`data[${key}]`, "must be empty or a selector of labels", value);
      else draft.domains.push(rule);
      continue;
    }
    const read = keys?.[key];
    if (read === undefined) findings.warn(`data[${key}]`, "is not supported and has no effect", value);
    const rule = read?.(value, draft);
    if (rule !== undefined) findings.refuse(`data[${key}]`, rule, value);
  }
}

/** What the ConfigMaps of a stream say; what of it cannot be honoured is named. */
export function readKnativeConfig(
  documents: readonly ManifestDocument[],
  outcome: { readonly problems: Problem[]; readonly warnings: Problem[] },
): KnativeConfig {
  const draft: Draft = { spec: {}, requests: {}, limits: {}, annotations: {}, domains: [] };
  for (const document of documents) {
    const findings = new Findings(toObjectLabel(document));
    readMap(document, draft, findings);
    outcome.problems.push(...findings.problems);
    outcome.warnings.push(...findings.warnings);
  }
  return draft;
}

/** The domain of a service: the one that names most of its labels, of several the first by name. */
export function findDomain(
  config: KnativeConfig,
  labels: Readonly<Record<string, string>>,
): string | undefined {
  const fitting = config.domains.filter(({ selector }) =>
    Object.entries(selector).every(([key, value]) => labels[key] === value),
  );
  const size = (rule: DomainRule): number => Object.keys(rule.selector).length;
  return fitting.toSorted((a, b) => size(b) - size(a) || (a.domain < b.domain ? -1 : 1))[0]?.domain;
}

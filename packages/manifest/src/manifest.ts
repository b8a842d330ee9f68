import { parseDeployment, isOptedIn } from "./deployment.ts";
import { readDocuments, toObjectLabel, type ManifestDocument } from "./document.ts";
import { isKnativeConfig, readKnativeConfig, type KnativeConfig } from "./knative-config.ts";
import { applyKnativeConfig } from "./knative-defaults.ts";
import { knativeVersions, parseKnativeService } from "./knative-service.ts";
import { names } from "./names.ts";
import { Findings, type Problem } from "./problem.ts";
import type { Workload } from "./workload.ts";

export interface ManifestOptions {
  /** `local` warns of everything that only Kubernetes can honour. */
  readonly platform: "local" | "kubernetes";
  /** What messages call the text, a file name for instance. */
  readonly source?: string;
}

/** Everything that a manifest says. With any problem nothing of it should be applied. */
export interface Manifest {
  readonly workloads: readonly Workload[];
  /** Objects that are neither a Knative Service nor an opted-in Deployment, in their order. */
  readonly others: readonly ManifestDocument[];
  /** What ConfigMaps of Knative in the stream say about all services; they are in none of the above. */
  readonly config: KnativeConfig;
  readonly problems: readonly Problem[];
  readonly warnings: readonly Problem[];
}

function isKnativeService(document: ManifestDocument): boolean {
  return document.kind === "Service" && document.apiVersion.startsWith("serving.knative.dev/");
}

function isDeployment(document: ManifestDocument): boolean {
  return document.kind === "Deployment" && document.apiVersion === "apps/v1";
}

function parseDocument(
  document: ManifestDocument,
  options: ManifestOptions,
  findings: Findings,
): Workload | "other" | undefined {
  if (isKnativeService(document)) {
    if (knativeVersions.includes(document.apiVersion)) {
      return parseKnativeService(document, options.platform, findings);
    }
    const known = knativeVersions.map((version) => version.slice(version.indexOf("/") + 1)).join(", ");
    findings.refuse("apiVersion", `must be one of ${known}`, document.apiVersion);
    return undefined;
  }
  if (!isDeployment(document)) return "other";
  if (isOptedIn(document)) return parseDeployment(document, options.platform, findings);
  const rule = `is not "true", so that the Deployment is left alone; set it to have it scaled`;
  findings.warn(`metadata.annotations[${names.enabled}]`, rule);
  return "other";
}

function findTwice(workloads: readonly Workload[]): Problem[] {
  const seen = new Set<string>();
  return workloads.flatMap((workload) => {
    const key = `${workload.namespace}/${workload.name}`;
    if (!seen.has(key)) {
      seen.add(key);
      return [];
    }
    return [{ object: `Service ${key}`, field: "metadata.name", rule: "must be used once in a manifest" }];
  });
}

/** Reads a YAML stream of Knative Services and opted-in Deployments. No I/O; never throws for what the text says. */
export function readManifest(text: string, options: ManifestOptions): Manifest {
  const { documents, problems } = readDocuments(text, options.source);
  const workloads: Workload[] = [];
  const others: ManifestDocument[] = [];
  const warnings: Problem[] = [];
  const isSetting = (document: ManifestDocument): boolean =>
    isKnativeConfig(document) && document.name !== "config-autoscaler";
  const config = readKnativeConfig(documents.filter(isSetting), { problems, warnings });
  for (const written of documents.filter((document) => !isSetting(document))) {
    const document = isKnativeService(written) ? applyKnativeConfig(written, config) : written;
    const findings = new Findings(toObjectLabel(document));
    const parsed = parseDocument(document, options, findings);
    if (parsed === "other") others.push(document);
    else if (parsed !== undefined && findings.problems.length === 0) workloads.push(parsed);
    problems.push(...findings.problems);
    warnings.push(...findings.warnings);
  }
  problems.push(...findTwice(workloads));
  return { workloads, others, config, problems, warnings };
}

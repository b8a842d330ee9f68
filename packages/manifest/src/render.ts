import { isJsonObject, type JsonObject } from "./field-reader.ts";
import { findDomain, isKnativeConfig } from "./knative-config.ts";
import { stringifyYaml } from "./kubernetes-yaml.ts";
import { readManifest } from "./manifest.ts";
import type { Problem } from "./problem.ts";
import { toDeployment, toNamespace } from "./rendered-deployment.ts";
import { toRoutes, toServices, type RouteOptions } from "./rendered-route.ts";
import { toRevisionName } from "./revision-name.ts";
import type { SidecarOptions } from "./sidecar-container.ts";
import type { Workload } from "./workload.ts";

export interface RenderOptions extends SidecarOptions, RouteOptions {
  /** Names the revision `{service}-{generation}` as Knative does; without it the name comes from the content. */
  readonly generation?: number;
  readonly source?: string;
}

export interface RenderResult {
  /** Kubernetes objects in the order in which they should be applied; empty with any problem. */
  readonly objects: readonly JsonObject[];
  /** The same as YAML. */
  readonly text: string;
  readonly problems: readonly Problem[];
  readonly warnings: readonly Problem[];
}

const hashLength = 8;

/**
 * The revision's name: the author's own, or counted, or made from the content. The last needs nothing to be remembered:
 * the same template always has the same name, and another never has it.
 */
function nameRevision(workload: Workload, generation: number | undefined): string {
  const { revisionName, contentHash } = workload.template;
  if (revisionName !== undefined) return revisionName;
  if (generation !== undefined) return toRevisionName(workload.name, generation);
  return `${workload.name.slice(0, 63 - 1 - hashLength)}-${contentHash.slice(0, hashLength)}`;
}

function renderWorkload(workload: Workload, options: RenderOptions): JsonObject[] {
  if (workload.origin === "deployment") return [workload.object];
  const revision = nameRevision(workload, options.generation);
  return [
    toDeployment(workload, revision, options),
    ...toServices(workload, revision),
    ...toRoutes(workload, revision, options),
  ];
}

/** The aggregator reads the same keys, from the namespace that it is in. */
function moveTo(object: JsonObject, { systemNamespace }: RenderOptions): JsonObject {
  const metadata = isJsonObject(object["metadata"]) ? object["metadata"] : {};
  return { ...object, metadata: { ...metadata, namespace: systemNamespace } };
}

/** A route names hosts, and hosts a namespace: one that `kubectl apply --namespace` chooses later is not known yet. */
function findUnplaced(workloads: readonly Workload[], options: RenderOptions): Problem[] {
  if (options.routes === "none") return [];
  return workloads
    .filter((workload) => toNamespace(workload).namespace === undefined)
    .map(({ namespace, name }) => ({
      object: `Service ${namespace}/${name}`,
      field: "metadata.namespace",
      rule: "is not set, so that the route is for hosts of namespace default; set it",
    }));
}

/** Turns Knative Services into Deployments, Services and routes; objects of other kinds pass through. Pure. */
export function renderManifest(text: string, options: RenderOptions): RenderResult {
  const manifest = readManifest(text, {
    platform: "kubernetes",
    ...(options.source === undefined ? {} : { source: options.source }),
  });
  const { problems } = manifest;
  const warnings = [...manifest.warnings, ...findUnplaced(manifest.workloads, options)];
  if (problems.length > 0) return { objects: [], text: "", problems, warnings };
  const rendered = manifest.workloads.flatMap((workload) => {
    const domain = findDomain(manifest.config, workload.labels);
    return renderWorkload(workload, domain === undefined ? options : { ...options, domains: [domain] });
  });
  const others = manifest.others.map((other) =>
    isKnativeConfig(other) ? moveTo(other.object, options) : other.object,
  );
  const objects = [...others, ...rendered];
  const documents = objects.map((object) => stringifyYaml(object));
  return { objects, text: documents.join("---\n"), problems, warnings };
}

import { parseDeployment } from "./deployment.ts";
import { toManifestDocument, toObjectLabel } from "./document.ts";
import { isJsonObject, type JsonObject } from "./field-reader.ts";
import { names } from "./names.ts";
import { Findings, type Problem } from "./problem.ts";
import type { Workload } from "./workload.ts";

/** What a Deployment of the API says, with every problem that keeps it from being a revision. */
export interface DeploymentReading {
  readonly workload?: Workload;
  readonly problems: readonly Problem[];
}

export function parseDeploymentObject(object: JsonObject): DeploymentReading {
  // Members of a list carry no kind of their own.
  const document = toManifestDocument({ apiVersion: "apps/v1", kind: "Deployment", ...object }, "Deployment");
  if ("rule" in document) return { problems: [document] };
  const findings = new Findings(toObjectLabel(document));
  const workload = parseDeployment(document, "kubernetes", findings);
  const { problems } = findings;
  return workload === undefined || problems.length > 0 ? { problems } : { workload, problems };
}

/**
 * A pod that asks for the sidecar, read as if it were its Deployment's template; the Deployment's annotations apply where
 * the pod has none of its own.
 */
export function parsePodObject(
  pod: JsonObject,
  owner: {
    readonly namespace: string;
    readonly name: string;
    readonly annotations: Readonly<Record<string, string>>;
  },
): DeploymentReading {
  return parseDeploymentObject({
    metadata: {
      namespace: owner.namespace,
      name: owner.name,
      annotations: { ...owner.annotations, [names.enabled]: "true" },
    },
    spec: { template: { metadata: isJsonObject(pod["metadata"]) ? pod["metadata"] : {}, spec: pod["spec"] } },
  });
}

import { toObjectLabel, type ManifestDocument } from "./document.ts";
import { readPath } from "./edit.ts";
import type { Problem } from "./problem.ts";
import type { Workload } from "./workload.ts";

/** Kinds that set the scale of a Deployment as well. */
const rivalGroups: Readonly<Record<string, string>> = {
  HorizontalPodAutoscaler: "autoscaling/",
  ScaledObject: "keda.sh/",
};

/** Two writers of one number: a HorizontalPodAutoscaler, or KEDA's ScaledObject which makes one, for the same Deployment. */
export function findRivals(documents: readonly ManifestDocument[], workload: Workload): Problem[] {
  return documents
    .filter(({ kind, apiVersion, namespace }) => {
      const group = rivalGroups[kind];
      return group !== undefined && apiVersion.startsWith(group) && namespace === workload.namespace;
    })
    .filter(({ object }) => {
      const target = readPath(object, ["spec", "scaleTargetRef"]);
      const kind = readPath(target, ["kind"]) ?? "Deployment";
      return kind === "Deployment" && readPath(target, ["name"]) === workload.name;
    })
    .map((document) => ({
      object: toObjectLabel(document),
      field: "spec.scaleTargetRef",
      rule: "must not name a Deployment that Sluice scales; take this object out",
      value: workload.name,
    }));
}

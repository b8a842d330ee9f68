import type { ContainerRules } from "./container.ts";
import { toObjectLabel, type ManifestDocument } from "./document.ts";
import { FieldReader, isJsonObject, type JsonObject } from "./field-reader.ts";
import { parseCustomHosts, toVisibility } from "./host.ts";
import { refuseMisplacedScaling, warnIneffective } from "./knative-annotation.ts";
import { checkNames, isServiceName, maxServiceNameLength } from "./name-rule.ts";
import { parsePod, toAppPort } from "./pod-template.ts";
import { Findings } from "./problem.ts";
import { toContentHash } from "./revision-name.ts";
import { parseTimeouts, parseConcurrency } from "./revision-limit.ts";
import { checkScaling } from "./scaling-check.ts";
import { checkSidecarResources } from "./sidecar-resources.ts";
import { parseTraffic } from "./traffic.ts";
import type { RevisionTemplate, Workload } from "./workload.ts";

export const knativeVersions: readonly string[] = [
  "serving.knative.dev/v1",
  "serving.knative.dev/v1beta1",
  "serving.knative.dev/v1alpha1",
];

const metadataByServer = [
  "uid",
  "resourceVersion",
  "generation",
  "creationTimestamp",
  "managedFields",
  "selfLink",
  "finalizers",
  "ownerReferences",
  "deletionTimestamp",
  "deletionGracePeriodSeconds",
  "generateName",
] as const;

/** How v1alpha1 wrote services before 0.6; each says where the same thing stands now. */
const oldForms: Readonly<Record<string, string>> = {
  runLatest: "is the form before Knative 0.6 and is not read; move its template to spec.template",
  release: "is the form before Knative 0.6 and is not read; write spec.template and spec.traffic",
  pinned: "is the form before Knative 0.6 and is not read; write spec.template and spec.traffic",
  manual: "is the form before Knative 0.6 and is not read; write spec.template and spec.traffic",
};

function skipMetadata(metadata: FieldReader): void {
  metadata.skip("name", "namespace", ...metadataByServer);
  metadata.warnUnread("is not supported and is left out");
}

function parseRevisionName(metadata: FieldReader | undefined, serviceName: string): string | undefined {
  const name = metadata?.string("name");
  if (name === undefined || name === "") return undefined;
  if (!isServiceName(name) || !name.startsWith(`${serviceName}-`)) {
    metadata?.refuse(
      "name",
      `must be lower case letters, digits and dashes, and start with "${serviceName}-"`,
      name,
    );
  }
  return name;
}

/** The part of `spec.template.spec` that is the revision's; what is left over is the pod's. */
const revisionFields = [
  "containerConcurrency",
  "timeoutSeconds",
  "responseStartTimeoutSeconds",
  "idleTimeoutSeconds",
] as const;

function toPodSpec(spec: JsonObject): JsonObject {
  return Object.fromEntries(
    Object.entries(spec).filter(([name]) => !revisionFields.some((field) => field === name)),
  );
}

function parseTemplate(
  template: FieldReader,
  serviceName: string,
  rules: ContainerRules,
  findings: Findings,
): RevisionTemplate | undefined {
  const metadata = template.object("metadata");
  const labels = metadata?.stringMap("labels") ?? {};
  const annotations = metadata?.stringMap("annotations") ?? {};
  const revisionName = parseRevisionName(metadata, serviceName);
  if (metadata !== undefined) {
    skipMetadata(metadata);
    checkSidecarResources(metadata, annotations);
    warnIneffective(metadata, annotations);
  }
  const spec = template.object("spec");
  if (spec === undefined) {
    template.refuse("spec", "must be set");
    return undefined;
  }
  const containerConcurrency = parseConcurrency(spec);
  const timeouts = parseTimeouts(spec);
  checkScaling(annotations, containerConcurrency, "spec.template.metadata.annotations", findings);
  const written = template.raw("spec");
  const podSpec = toPodSpec(isJsonObject(written) ? written : {});
  const pod = parsePod(spec, podSpec, rules);
  if (pod.serving === undefined) return undefined;
  if (pod.containers.reduce((count, container) => count + container.ports.length, 0) > 1) {
    spec.refuse("containers", "must name one port in all: the one that takes requests");
  }
  const port = toAppPort(pod.serving);
  return {
    ...(revisionName === undefined ? {} : { revisionName }),
    labels,
    annotations,
    containerConcurrency,
    timeouts,
    protocol: port.protocol,
    appPort: port.appPort,
    isAppPortExplicit: port.isExplicit,
    containers: pod.containers,
    serving: pod.serving,
    podSpec: pod.podSpec,
    contentHash: toContentHash({ labels, annotations, spec: written }),
  };
}

/**
 * A Knative Service of v1, v1beta1 or v1alpha1, with Knative's defaults and bounds (reference §4). Returns undefined
 * when anything is refused; `findings` says what.
 */
export function parseKnativeService(
  document: ManifestDocument,
  platform: ContainerRules["platform"],
  findings = new Findings(toObjectLabel(document)),
): Workload | undefined {
  const { namespace, name } = document;
  checkNames(namespace, name, maxServiceNameLength, findings);
  const root = new FieldReader(document.object, "", findings);
  root.skip("apiVersion", "kind", "status");
  const metadata = root.object("metadata");
  const labels = metadata?.stringMap("labels") ?? {};
  const annotations = metadata?.stringMap("annotations") ?? {};
  if (metadata !== undefined) {
    skipMetadata(metadata);
    refuseMisplacedScaling(metadata, annotations);
    warnIneffective(metadata, annotations);
  }
  const spec = root.object("spec");
  root.warnUnread("is not a field of a Service and is left out");
  if (spec === undefined) {
    findings.refuse("spec", "must be set");
    return undefined;
  }
  const oldForm = Object.keys(oldForms).find((field) => spec.has(field));
  if (oldForm !== undefined) {
    spec.refuse(oldForm, oldForms[oldForm] ?? "");
    return undefined;
  }
  const template = spec.object("template");
  if (template === undefined) spec.refuse("template", "must be set");
  const parsed = template && parseTemplate(template, name, { isKnative: true, platform }, findings);
  template?.warnUnread("is not a field of a template and is left out");
  const traffic = parseTraffic(spec, name);
  spec.warnUnread("is not a field of a Service's spec and is left out");
  const customHosts = parseCustomHosts(annotations, findings);
  if (parsed === undefined || findings.problems.length > 0) return undefined;
  return {
    origin: "knative",
    namespace,
    name,
    labels,
    annotations,
    visibility: toVisibility(labels),
    customHosts,
    template: parsed,
    traffic,
    object: document.object,
  };
}

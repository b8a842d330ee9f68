import type { ContainerRules } from "./container.ts";
import { toObjectLabel, type ManifestDocument } from "./document.ts";
import { readPath } from "./edit.ts";
import { FieldReader, isJsonObject } from "./field-reader.ts";
import { parseCustomHosts, toVisibility } from "./host.ts";
import { checkNames, maxLabelLength } from "./name-rule.ts";
import { names } from "./names.ts";
import { hasSidecar, parsePod } from "./pod-template.ts";
import { Findings } from "./problem.ts";
import { toContentHash } from "./revision-name.ts";
import { parseAnnotatedLimits } from "./revision-limit.ts";
import { findServingPort } from "./serving-port.ts";
import { checkScaling } from "./scaling-check.ts";
import { checkSidecarResources } from "./sidecar-resources.ts";
import type { RevisionTemplate, Workload } from "./workload.ts";

const enabledPath = ["metadata", "annotations", names.enabled] as const;

/** Whether a Deployment asks to be scaled. */
export function isOptedIn(document: ManifestDocument): boolean {
  return readPath(document.object, enabledPath) === "true";
}

/** Whether it asks in a way that the API server does not take. */
export function isUnquoted(document: ManifestDocument): boolean {
  return readPath(document.object, enabledPath) === true;
}

function parseTemplate(
  spec: FieldReader,
  ownAnnotations: Readonly<Record<string, string>>,
  rules: ContainerRules,
  findings: Findings,
): RevisionTemplate | undefined {
  const template = spec.object("template");
  const metadata = template?.object("metadata");
  const labels = metadata?.stringMap("labels") ?? {};
  // Settings may stand on either object; the template's win, because they are the pods' own.
  const annotations = { ...ownAnnotations, ...metadata?.stringMap("annotations") };
  const root = new FieldReader({}, "metadata", findings);
  const limits = parseAnnotatedLimits(annotations, root);
  checkScaling(annotations, limits.containerConcurrency, "metadata.annotations", findings);
  checkSidecarResources(root, annotations);
  const podReader = template?.object("spec");
  if (template === undefined || podReader === undefined) {
    spec.refuse("template.spec", "must be set");
    return undefined;
  }
  const written = template.raw("spec");
  const podSpec = isJsonObject(written) ? written : {};
  const port = findServingPort(podSpec, annotations, findings);
  const pod = parsePod(podReader, podSpec, rules, () => port.container);
  if (pod.serving === undefined) return undefined;
  // A pod that has the sidecar already asks it instead, and the command stays kubelet's.
  if (pod.serving.readinessProbe?.handler.kind === "exec" && !hasSidecar(podSpec)) {
    podReader.refuse(
      `containers[${pod.containers.indexOf(pod.serving)}].readinessProbe.exec`,
      "cannot be run by the sidecar; use httpGet, tcpSocket or grpc",
    );
  }
  return {
    labels,
    annotations,
    ...limits,
    appPort: port.appPort,
    protocol: port.protocol,
    isAppPortExplicit: true,
    containers: pod.containers,
    serving: pod.serving,
    podSpec,
    contentHash: toContentHash({ labels, annotations, spec: written }),
  };
}

/**
 * A plain `apps/v1` Deployment that opted in: a service with one revision, both of its name. Returns undefined when
 * anything is refused; `findings` says what.
 */
export function parseDeployment(
  document: ManifestDocument,
  platform: ContainerRules["platform"],
  findings = new Findings(toObjectLabel(document)),
): Workload | undefined {
  const { namespace, name } = document;
  checkNames(namespace, name, maxLabelLength, findings);
  const root = new FieldReader(document.object, "", findings);
  const metadata = root.object("metadata");
  const labels = metadata?.stringMap("labels") ?? {};
  const annotations = metadata?.stringMap("annotations") ?? {};
  const customHosts = parseCustomHosts(annotations, findings);
  const spec = root.object("spec");
  if (spec === undefined) {
    findings.refuse("spec", "must be set");
    return undefined;
  }
  const template = parseTemplate(spec, annotations, { isKnative: false, platform }, findings);
  if (template === undefined || findings.problems.length > 0) return undefined;
  return {
    origin: "deployment",
    namespace,
    name,
    labels,
    annotations,
    visibility: toVisibility(labels),
    customHosts,
    template: { ...template, revisionName: name },
    traffic: [{ revision: name, percent: 100 }],
    object: document.object,
  };
}

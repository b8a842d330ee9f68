import {
  decidePodInjection,
  formatProblem,
  names,
  parsePodObject,
  sidecarContainerName,
  toJsonPatch,
  type SidecarOptions,
} from "@sluice/manifest";
import { isJson, jsonOf, listOf, textOf, type Json } from "./api-object.ts";

/** The Deployment that a new pod will belong to. */
export interface PodOwner {
  readonly namespace: string;
  readonly name: string;
  /** The service of which it is a revision. */
  readonly service: string;
  readonly annotations: Readonly<Record<string, string>>;
}

export interface AdmissionOptions extends SidecarOptions {
  /** What is known of a Deployment; undefined for one that did not opt in or that the watch has not shown yet. */
  readonly findOwner: (namespace: string, name: string) => PodOwner | undefined;
}

/** The Deployment's name: its ReplicaSet has it in front of the hash of the template. */
function toDeploymentName(metadata: Json): string | undefined {
  const owner = listOf(metadata["ownerReferences"]).find((reference) => reference["controller"] === true);
  const hash = textOf(jsonOf(metadata["labels"])["pod-template-hash"]);
  const suffix = `-${hash}`;
  const name = textOf(owner?.["name"]);
  return owner?.["kind"] === "ReplicaSet" && hash !== "" && name.endsWith(suffix)
    ? name.slice(0, -suffix.length)
    : undefined;
}

function answer(uid: string, response: Json): Json {
  return { apiVersion: "admission.k8s.io/v1", kind: "AdmissionReview", response: { uid, ...response } };
}

/** A pod that cannot get the sidecar is refused: without one it would run and never get a request. */
function refuse(uid: string, message: string): Json {
  return answer(uid, { allowed: false, status: { code: 422, reason: "Invalid", message } });
}

function hasSidecar(pod: Json): boolean {
  const containers = listOf(jsonOf(pod["spec"])["containers"]);
  return containers.some((container) => container["name"] === sidecarContainerName);
}

/**
 * The answer to an AdmissionReview: the sidecar as a JSON patch for a pod that asks for it, and nothing for any other. Writes
 * nothing, so that a dry run is answered alike. Throws TypeError for anything else.
 */
export function reviewPod(review: unknown, options: AdmissionOptions): Json {
  const request = jsonOf(jsonOf(review)["request"]);
  const uid = textOf(request["uid"]);
  if (uid === "") throw new TypeError("no AdmissionReview with a request");
  const pod = request["object"];
  if (!isJson(pod)) return answer(uid, { allowed: true });
  const metadata = jsonOf(pod["metadata"]);
  const asks = jsonOf(metadata["labels"])[names.inject] === "true";
  if (!asks || hasSidecar(pod)) return answer(uid, { allowed: true });
  const namespace = textOf(request["namespace"]);
  const name = toDeploymentName(metadata);
  if (name === undefined) {
    return refuse(
      uid,
      `Pod ${namespace}: metadata.labels[${names.inject}]: must be on pods of a Deployment only`,
    );
  }
  const owner = options.findOwner(namespace, name) ?? { namespace, name, service: name, annotations: {} };
  const { workload, problems } = parsePodObject(pod, owner);
  if (workload === undefined) return refuse(uid, problems.map(formatProblem).join("; "));
  const edits = decidePodInjection(
    {
      path: [],
      pod,
      template: workload.template,
      identity: { namespace, service: owner.service, revision: name },
      isAdmitted: true,
    },
    options,
  );
  const patch = Buffer.from(JSON.stringify(toJsonPatch(pod, edits))).toString("base64");
  return answer(uid, { allowed: true, patchType: "JSONPatch", patch });
}

import { readPath, type Edit, type EditPath } from "./edit.ts";
import { isJsonObject, type JsonObject } from "./field-reader.ts";
import { names } from "./names.ts";
import { toSidecarContainer, waitForDrain, type SidecarOptions } from "./sidecar-container.ts";
import type { SidecarIdentity } from "./sidecar-environment.ts";
import type { RevisionTemplate } from "./workload.ts";

/** A pod, or the template of pods, inside an object: its `metadata` and `spec` stand at `path`. */
export interface InjectionTarget {
  readonly path: EditPath;
  readonly pod: JsonObject;
  readonly template: RevisionTemplate;
  readonly identity: SidecarIdentity;
  /** The API server has filled in its defaults, so that a grace period is there although nobody chose one. */
  readonly isAdmitted?: boolean;
}

/** Kubernetes' own default. */
const defaultGraceSeconds = 30;

/** Every container waits for the drain before it is stopped, so that the app lives as long as its requests. */
function toHookEdits(target: InjectionTarget, containers: readonly JsonObject[]): Edit[] {
  return containers.flatMap((container, index) => {
    const { lifecycle } = container;
    if (isJsonObject(lifecycle) && (lifecycle["preStop"] ?? undefined) !== undefined) return [];
    const path = [...target.path, "spec", "containers", index, "lifecycle", "preStop"];
    return [{ op: "set", path, value: waitForDrain }];
  });
}

/** The sidecar answers for the app's readiness, so kubelet must not ask the app as well. */
function toProbeEdits(target: InjectionTarget, containers: readonly JsonObject[]): Edit[] {
  const index = containers.indexOf(target.template.serving.object);
  if ((containers[index]?.["readinessProbe"] ?? undefined) === undefined) return [];
  if (target.template.serving.readinessProbe?.handler.kind === "exec") return [];
  return [{ op: "remove", path: [...target.path, "spec", "containers", index, "readinessProbe"] }];
}

function toLabelEdits(target: InjectionTarget): Edit[] {
  const path = [...target.path, "metadata", "labels", names.inject];
  return readPath(target.pod, ["metadata", "labels", names.inject]) === "true"
    ? []
    : [{ op: "set", path, value: "true" }];
}

/** Kubernetes would kill a draining pod after 30 s; a request may take as long as its limit (reference §1.9). */
function toGraceEdits(target: InjectionTarget, spec: JsonObject): Edit[] {
  const written = spec["terminationGracePeriodSeconds"];
  const isChosen = written !== undefined && !(target.isAdmitted === true && written === defaultGraceSeconds);
  if (isChosen) return [];
  const path = [...target.path, "spec", "terminationGracePeriodSeconds"];
  return [{ op: "set", path, value: target.template.timeouts.request }];
}

/** What has to change so that a pod has the sidecar. `pod` must not have one yet. */
export function decidePodInjection(target: InjectionTarget, options: SidecarOptions): Edit[] {
  const spec = isJsonObject(target.pod["spec"]) ? target.pod["spec"] : {};
  const listed = spec["containers"];
  const containers = Array.isArray(listed) ? listed.filter(isJsonObject) : [];
  const sidecar = toSidecarContainer(target.template, target.identity, options);
  return [
    ...toLabelEdits(target),
    ...toProbeEdits(target, containers),
    ...toHookEdits(target, containers),
    { op: "append", path: [...target.path, "spec", "containers"], value: sidecar },
    ...toGraceEdits(target, spec),
  ];
}

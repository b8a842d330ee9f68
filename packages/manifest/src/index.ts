export type { Container, ContainerPort } from "./container.ts";
export type { ManifestDocument } from "./document.ts";
export { toFeedRevision, toFeedService, type RevisionFacts } from "./feed-object.ts";
export { parseDeploymentObject, parsePodObject, type DeploymentReading } from "./deployment-object.ts";
export { applyEdits, toJsonPatch, type Edit } from "./edit.ts";
export { decidePodInjection } from "./pod-injection.ts";
export { findKubernetesHosts, toHosts } from "./host.ts";
export {
  injectSidecar,
  removeSidecar,
  type InjectOptions,
  type InjectResult,
  type ManifestSource,
} from "./inject.ts";
export { readManifest, type Manifest, type ManifestOptions } from "./manifest.ts";
export { names, reservedPorts, sidecarContainerName, sidecarPorts, toServiceAnnotations } from "./names.ts";
export type { Probe } from "./probe.ts";
export { formatProblem, type Problem } from "./problem.ts";
export { chooseRevision, toRevisionName, type KnownRevision, type RevisionChoice } from "./revision-name.ts";
export { defaultSidecarImage, type SidecarOptions } from "./sidecar-container.ts";
export {
  toAppEnvironment,
  toServingReadinessProbe,
  toSidecarEnvironment,
  type SidecarIdentity,
} from "./sidecar-environment.ts";
export type { TrafficTarget } from "./traffic.ts";
export type { RevisionTemplate, Workload } from "./workload.ts";
export { renderManifest, type RenderOptions, type RenderResult } from "./render.ts";

import type { Clock } from "@sluice/core";
import type { Logger } from "@sluice/kit";
import { names } from "@sluice/manifest";
import type { ApiClient } from "./api-client.ts";
import { jsonOf, textOf, type ApiObject } from "./api-object.ts";
import { toDeploymentRecord, type DeploymentRecord } from "./deployment-record.ts";
import { toSliceRecord, sliceManager, type SliceRecord } from "./endpoint-slice.ts";
import { toPodRecord, type MemberRecord, type PodRecord } from "./pod-record.ts";
import { Reflector } from "./reflector.ts";
import { toServiceRecord, type ServiceRecord } from "./service-record.ts";

/** Which Deployment a ReplicaSet belongs to. */
export interface ReplicaSetRecord {
  readonly uid: string;
  readonly deploymentUid: string;
}

/** A HorizontalPodAutoscaler that sets the scale of a Deployment. */
export interface AutoscalerRecord {
  readonly namespace: string;
  readonly name: string;
  readonly deployment: string;
}

/** What somebody wants to know about changes; called after the copy has changed. */
export interface ClusterHandlers {
  onDeployment(record: DeploymentRecord | undefined, previous: DeploymentRecord | undefined): void;
  onReplicaSet(record: ReplicaSetRecord | undefined, previous: ReplicaSetRecord | undefined): void;
  onPod(record: PodRecord | MemberRecord | undefined, previous: PodRecord | MemberRecord | undefined): void;
  onService(record: ServiceRecord | undefined, previous: ServiceRecord | undefined): void;
  onSlice(record: SliceRecord | undefined, previous: SliceRecord | undefined): void;
  onAutoscaler(record: AutoscalerRecord | undefined, previous: AutoscalerRecord | undefined): void;
}

export interface ClusterOptions {
  readonly client: ApiClient;
  readonly clock: Clock;
  readonly log: Logger;
  readonly systemNamespace: string;
  readonly domains: readonly string[];
  readonly handlers: ClusterHandlers;
  readonly random?: () => number;
}

function toReplicaSetRecord(object: ApiObject): ReplicaSetRecord | undefined {
  const owner = object.metadata.ownerReferences.find((reference) => reference.controller === true);
  if (owner?.kind !== "Deployment") return undefined;
  return { uid: object.metadata.uid, deploymentUid: owner.uid };
}

function toAutoscalerRecord(object: ApiObject): AutoscalerRecord | undefined {
  const target = jsonOf(object.spec["scaleTargetRef"]);
  if (target["kind"] !== "Deployment") return undefined;
  const { namespace, name } = object.metadata;
  return { namespace, name, deployment: textOf(target["name"]) };
}

/** A copy of everything in the cluster that concerns us: one watch for each kind, and nothing else. */
export class Cluster {
  readonly deployments: Reflector<DeploymentRecord>;
  readonly replicaSets: Reflector<ReplicaSetRecord>;
  readonly pods: Reflector<PodRecord | MemberRecord>;
  readonly services: Reflector<ServiceRecord>;
  readonly slices: Reflector<SliceRecord>;
  readonly autoscalers: Reflector<AutoscalerRecord>;

  constructor(options: ClusterOptions) {
    const { client, clock, log, handlers, random } = options;
    const common = { client, clock, log, ...(random === undefined ? {} : { random }) };
    this.deployments = new Reflector({
      ...common,
      path: "/apis/apps/v1/deployments",
      project: (object) => toDeploymentRecord(object, options.domains),
      onChange: (_key, record, previous) => handlers.onDeployment(record, previous),
    });
    this.replicaSets = new Reflector({
      ...common,
      path: "/apis/apps/v1/replicasets",
      // Ten old ones for each Deployment, each with the whole template of its pods.
      part: "metadata",
      labelSelector: `${names.inject}=true`,
      project: toReplicaSetRecord,
      onChange: (_key, record, previous) => handlers.onReplicaSet(record, previous),
    });
    this.pods = new Reflector({
      ...common,
      path: "/api/v1/pods",
      // Our own members carry the label with another value.
      labelSelector: names.inject,
      project: (object) => toPodRecord(object, options.systemNamespace),
      onChange: (_key, record, previous) => handlers.onPod(record, previous),
    });
    this.services = new Reflector({
      ...common,
      path: "/api/v1/services",
      labelSelector: names.service,
      project: toServiceRecord,
      onChange: (_key, record, previous) => handlers.onService(record, previous),
    });
    this.slices = new Reflector({
      ...common,
      path: "/apis/discovery.k8s.io/v1/endpointslices",
      labelSelector: `endpointslice.kubernetes.io/managed-by=${sliceManager}`,
      project: toSliceRecord,
      onChange: (_key, record, previous) => handlers.onSlice(record, previous),
    });
    this.autoscalers = new Reflector({
      ...common,
      path: "/apis/autoscaling/v2/horizontalpodautoscalers",
      project: toAutoscalerRecord,
      onChange: (_key, record, previous) => handlers.onAutoscaler(record, previous),
    });
  }

  /** Resolves when every kind was listed once. */
  async start(): Promise<void> {
    for (const reflector of this.#all()) void reflector.run();
    await Promise.all(this.#all().map((reflector) => reflector.listed));
  }

  close(): void {
    for (const reflector of this.#all()) reflector.close();
  }

  #all(): readonly { run(): Promise<void>; close(): void; readonly listed: Promise<void> }[] {
    return [this.replicaSets, this.deployments, this.services, this.slices, this.autoscalers, this.pods];
  }
}

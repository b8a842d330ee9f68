import { systemClock, type Decision, type FeedObject } from "@sluice/core";
import { AdminServer, createLogger, createMetrics, WatchHub } from "@sluice/kit";
import { readScalerSettings, startScaler, type Scaler } from "@sluice/scaler";
import { FakeKubernetes, type FakeObject } from "./fake-kubernetes.ts";
import { waitUntil } from "./wait-until.ts";

export const paths = {
  deployments: "/apis/apps/v1/deployments",
  replicaSets: "/apis/apps/v1/replicasets",
  pods: "/api/v1/pods",
  services: "/api/v1/services",
  slices: "/apis/discovery.k8s.io/v1/endpointslices",
  endpoints: "/api/v1/endpoints",
  leases: "/apis/coordination.k8s.io/v1/leases",
  events: "/api/v1/events",
  secrets: "/api/v1/secrets",
  autoscalers: "/apis/autoscaling/v2/horizontalpodautoscalers",
  webhooks: "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations",
} as const;

/** An opted-in Deployment that already has its sidecar. */
export function toDeployment(name: string, more: Partial<FakeObject> = {}): FakeObject {
  return {
    ...more,
    metadata: {
      name,
      namespace: "default",
      uid: `deployment-${name}`,
      ...more.metadata,
      annotations: { "sluice.dev/enabled": "true", ...(more.metadata?.["annotations"] as object) },
    },
    spec: {
      replicas: 0,
      selector: { matchLabels: { app: name } },
      template: {
        metadata: { labels: { app: name, "sluice.dev/inject": "true" } },
        spec: {
          containers: [
            { name: "app", image: "app", ports: [{ containerPort: 3000 }] },
            { name: "queue-proxy", image: "sidecar", env: [], ports: [{ containerPort: 8012 }] },
          ],
        },
      },
      ...more.spec,
    },
  };
}

export function toReplicaSet(deployment: string): FakeObject {
  return {
    metadata: {
      name: `${deployment}-abc12`,
      namespace: "default",
      uid: `set-${deployment}`,
      labels: { "sluice.dev/inject": "true" },
      ownerReferences: [
        { kind: "Deployment", name: deployment, uid: `deployment-${deployment}`, controller: true },
      ],
    },
  };
}

export interface PodFacts {
  readonly address?: string;
  readonly isReady?: boolean;
  readonly statsPort?: number;
  readonly owner?: string;
  readonly spec?: Record<string, unknown>;
  readonly status?: Record<string, unknown>;
}

export function toPod(deployment: string, name: string, facts: PodFacts = {}): FakeObject {
  const sidecarPorts = [
    { name: "queue-port", containerPort: 8012 },
    { name: "queue-admin", containerPort: 8022 },
    { name: "http-autometric", containerPort: facts.statsPort ?? 9090 },
    { name: "http-usermetric", containerPort: 9091 },
  ];
  return {
    metadata: {
      name,
      namespace: "default",
      labels: { app: deployment, "sluice.dev/inject": "true" },
      ownerReferences: [
        {
          kind: "ReplicaSet",
          name: `${deployment}-abc12`,
          uid: facts.owner ?? `set-${deployment}`,
          controller: true,
        },
      ],
    },
    spec: {
      containers: [
        { name: "app", ports: [{ containerPort: 3000 }] },
        { name: "queue-proxy", ports: sidecarPorts },
      ],
      ...facts.spec,
    },
    status: {
      ...(facts.address === undefined ? {} : { podIP: facts.address }),
      startTime: "2026-11-23T10:00:00Z",
      conditions: [{ type: "Ready", status: facts.isReady === true ? "True" : "False" }],
      ...facts.status,
    },
  };
}

export function toActivator(name: string, address: string): FakeObject {
  return {
    metadata: {
      name,
      namespace: "sluice-system",
      labels: {
        "sluice.dev/inject": "false",
        "app.kubernetes.io/part-of": "sluice",
        "app.kubernetes.io/component": "activator",
      },
    },
    spec: {
      containers: [
        {
          name: "activator",
          ports: [
            { name: "public", containerPort: 8000 },
            { name: "admin", containerPort: 8001 },
            { name: "internal", containerPort: 8002 },
          ],
        },
      ],
    },
    status: { podIP: address, conditions: [{ type: "Ready", status: "True" }] },
  };
}

export function toService(name: string, more: Partial<FakeObject> = {}): FakeObject {
  return {
    ...more,
    metadata: { name, namespace: "default", labels: { "sluice.dev/service": name }, ...more.metadata },
    spec: { ports: [{ name: "http", port: 80, targetPort: 8012 }], ...more.spec },
  };
}

/** An EndpointSlice that one of Kubernetes' own controllers wrote. */
export function toRivalSlice(service: string, manager = "endpointslice-controller.k8s.io"): FakeObject {
  return {
    metadata: {
      name: `${service}-${manager.split("-")[0]}`,
      namespace: "default",
      labels: {
        "kubernetes.io/service-name": service,
        "endpointslice.kubernetes.io/managed-by": manager,
      },
    },
    endpoints: [{ addresses: ["10.0.0.99"] }],
    ports: [{ port: 3000 }],
  };
}

export function toDecision(name: string, desiredPods: number, more: Partial<Decision> = {}): Decision {
  const at = "2026-11-23T10:00:00.000Z";
  return {
    namespace: "default",
    name,
    recommendedPods: desiredPods,
    desiredPods,
    readyPods: 0,
    mode: "proxy",
    numActivators: 2,
    activation: { state: "active", since: at },
    excessBurstCapacity: 0,
    stableValue: 0,
    panicValue: 0,
    targetValue: 10,
    inPanicMode: false,
    inFlight: 0,
    held: 0,
    requestsPerSecond: 0,
    owner: "aggregator-0",
    decidedAt: at,
    reason: `stable: asks for ${desiredPods}`,
    ...more,
  };
}

function toLabels(object: FakeObject): Record<string, string> {
  return object.metadata["labels"] as Record<string, string>;
}

const log = createLogger({ name: "test", level: "silent" });

/** An API server, an aggregator's scale endpoint, and scalers between them: all real sockets. */
export class ScalerHarness {
  readonly api = new FakeKubernetes();
  readonly decisions = new WatchHub<Decision>();
  readonly scalers: Scaler[] = [];
  #aggregator: AdminServer | undefined;
  #scaleEndpoint = "";

  async start(): Promise<void> {
    await this.api.start();
    this.#aggregator = new AdminServer({
      address: "127.0.0.1",
      port: 0,
      log,
      metrics: createMetrics(),
      routes: this.decisions.toRoutes("/v1/scale"),
    });
    const { port } = await this.#aggregator.listen();
    this.#scaleEndpoint = `http://127.0.0.1:${port}/v1/scale`;
    this.decisions.markListed();
  }

  /** Where decisions are read. */
  get scaleEndpoint(): string {
    return this.#scaleEndpoint;
  }

  async startScaler(environment: Record<string, string> = {}): Promise<Scaler> {
    const settings = readScalerSettings({
      environment: {
        POD_NAME: `scaler-${this.scalers.length}`,
        SLUICE_PORT: "0",
        SLUICE_SCALE_ENDPOINT: this.#scaleEndpoint,
        SLUICE_ENDPOINT_SETTLE: "20ms",
        ...environment,
      },
    });
    const scaler = await startScaler({ settings, config: this.api.toConfig(), clock: systemClock, log });
    this.scalers.push(scaler);
    return scaler;
  }

  decide(decision: Decision): void {
    this.decisions.set(`${decision.namespace}/${decision.name}`, decision);
  }

  /** The feed of one scaler as it is now; undefined while it answers 503. */
  async readFeed(scaler: Scaler): Promise<FeedObject[] | undefined> {
    const answer = await fetch(`http://127.0.0.1:${scaler.port}/v1/feed`);
    if (answer.status === 503) return undefined;
    return ((await answer.json()) as { items: FeedObject[] }).items;
  }

  /** Waits until the feed has an object of this kind and name for which `holds`. */
  waitForFeed<Kind extends FeedObject["kind"]>(
    scaler: Scaler,
    kind: Kind,
    name: string,
    holds: (object: Extract<FeedObject, { kind: Kind }>) => boolean = () => true,
  ): Promise<Extract<FeedObject, { kind: Kind }>> {
    return waitUntil(`${kind} ${name} in the feed`, async () => {
      const items = (await this.readFeed(scaler)) ?? [];
      return items.find(
        (item): item is Extract<FeedObject, { kind: Kind }> =>
          item.kind === kind && item.name === name && holds(item as Extract<FeedObject, { kind: Kind }>),
      );
    });
  }

  replicasOf(name: string): number | undefined {
    return this.api.get(paths.deployments, "default", name)?.spec?.["replicas"] as number | undefined;
  }

  annotationsOf(path: string, name: string): Record<string, string> {
    const annotations = this.api.get(path, "default", name)?.metadata["annotations"];
    return (annotations ?? {}) as Record<string, string>;
  }

  waitForReplicas(name: string, replicas: number): Promise<true> {
    return waitUntil(`${replicas} replicas of ${name}`, () => this.replicasOf(name) === replicas && true);
  }

  waitForEvent(reason: string): Promise<FakeObject> {
    return waitUntil(`an event ${reason}`, () =>
      this.api.list(paths.events).find((event) => event["reason"] === reason),
    );
  }

  /** Addresses by role of our slices of a Service. */
  slicesOf(service: string): Record<string, string[]> {
    const slices = this.api
      .list(paths.slices)
      .filter(
        (slice) =>
          toLabels(slice)["kubernetes.io/service-name"] === service &&
          toLabels(slice)["sluice.dev/endpoints"] !== undefined,
      );
    return Object.fromEntries(
      slices.map((slice) => [
        toLabels(slice)["sluice.dev/endpoints"],
        (slice["endpoints"] as { addresses: string[] }[]).flatMap((endpoint) => endpoint.addresses),
      ]),
    );
  }

  async stopScaler(scaler: Scaler): Promise<void> {
    this.scalers.splice(this.scalers.indexOf(scaler), 1);
    for (const stage of scaler.stop) await stage.run(AbortSignal.timeout(stage.timeoutMs));
  }

  async stop(): Promise<void> {
    for (const scaler of this.scalers.slice()) await this.stopScaler(scaler);
    this.decisions.close();
    await this.#aggregator?.close();
    await this.api.stop();
  }
}

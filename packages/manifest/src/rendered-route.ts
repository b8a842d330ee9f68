import { toFeedService } from "./feed-object.ts";
import type { JsonObject } from "./field-reader.ts";
import { toForeignAnnotations } from "./knative-annotation.ts";
import { names, sidecarPorts } from "./names.ts";
import { toKnativeLabels, toNamespace } from "./rendered-deployment.ts";
import type { Workload } from "./workload.ts";

export interface RouteOptions {
  /** Domains under which services get hosts. */
  readonly domains: readonly string[];
  /** Objects that lead an ingress controller to the activators, beside the one wildcard that installing makes. */
  readonly routes: "none" | "ingress" | "gateway";
  /** Where Sluice is installed. */
  readonly systemNamespace: string;
  /** The Gateway that HTTPRoutes attach to, `namespace/name`. */
  readonly gateway: string;
  readonly ingressClass?: string;
}

/** The Service in front of the activators' public listeners. */
export const gatewayServiceName = "sluice-gateway";

function toService(workload: Workload, name: string, annotations: Record<string, string>): JsonObject {
  const isHttp2 = workload.template.protocol === "h2c";
  const targetPort = isHttp2 ? sidecarPorts.h2c : sidecarPorts.main;
  const port = {
    name: isHttp2 ? "h2c" : "http",
    port: 80,
    targetPort,
    ...(isHttp2 ? { appProtocol: "kubernetes.io/h2c" } : {}),
  };
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: {
      name,
      ...toNamespace(workload),
      labels: { ...workload.labels, [names.service]: workload.name },
      annotations,
    },
    // Without a selector: the scaler writes the EndpointSlices, activators or pods.
    spec: { type: "ClusterIP", ports: [port] },
  };
}

/** The Services under which a service is called inside the cluster: its own, and one for each tag. */
export function toServices(workload: Workload, revision: string): JsonObject[] {
  const { traffic } = toFeedService(workload, { domains: [], latestRevision: revision });
  const own = toForeignAnnotations(workload.annotations);
  const tags = traffic.flatMap((entry) => entry.tag ?? []);
  return [
    toService(workload, workload.name, { ...own, [names.traffic]: JSON.stringify(traffic) }),
    ...tags.map((tag) => toService(workload, `${tag}-${workload.name}`, { [names.tag]: tag })),
  ];
}

function toPublicHosts(workload: Workload, revision: string, domains: readonly string[]): string[] {
  const { hosts } = toFeedService(workload, { domains, latestRevision: revision });
  return hosts.flatMap((entry) => (entry.visibility === "public" ? entry.host : []));
}

/** An Ingress can only lead to a Service of its own namespace, so it stands beside the activators. */
function toIngress(workload: Workload, hosts: readonly string[], options: RouteOptions): JsonObject {
  const backend = { service: { name: gatewayServiceName, port: { name: "http" } } };
  return {
    apiVersion: "networking.k8s.io/v1",
    kind: "Ingress",
    metadata: {
      name: `${workload.namespace}-${workload.name}`,
      namespace: options.systemNamespace,
      labels: { "serving.knative.dev/service": workload.name },
    },
    spec: {
      ...(options.ingressClass === undefined ? {} : { ingressClassName: options.ingressClass }),
      rules: hosts.map((host) => ({ host, http: { paths: [{ path: "/", pathType: "Prefix", backend }] } })),
    },
  };
}

function toHttpRoute(
  workload: Workload,
  hosts: readonly string[],
  options: RouteOptions,
  revision: string,
): JsonObject {
  const [gatewayNamespace = options.systemNamespace, gatewayName = "sluice"] = options.gateway.split("/");
  return {
    apiVersion: "gateway.networking.k8s.io/v1",
    kind: "HTTPRoute",
    metadata: {
      name: `${workload.namespace}-${workload.name}`,
      namespace: options.systemNamespace,
      labels: toKnativeLabels(workload, revision),
    },
    spec: {
      parentRefs: [{ name: gatewayName, namespace: gatewayNamespace }],
      hostnames: hosts,
      rules: [{ backendRefs: [{ name: gatewayServiceName, port: 80 }] }],
    },
  };
}

/** What leads requests from outside to the activators, for each host that is public. */
export function toRoutes(workload: Workload, revision: string, options: RouteOptions): JsonObject[] {
  const hosts = toPublicHosts(workload, revision, options.domains);
  if (options.routes === "none" || hosts.length === 0) return [];
  return options.routes === "ingress"
    ? [toIngress(workload, hosts, options)]
    : [toHttpRoute(workload, hosts, options, revision)];
}

import type { Service } from "@sluice/core";
import { names } from "./names.ts";
import { Findings } from "./problem.ts";
import type { Workload } from "./workload.ts";

type Host = Service["hosts"][number];

const hostPattern = /^(\*\.)?([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\.)*[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;
const maxHostLength = 253;

/** The hosts of `sluice.dev/hosts`, lower case; a wildcard is `*.` in front and nowhere else. */
export function parseCustomHosts(
  annotations: Readonly<Record<string, string>>,
  findings: Findings,
): string[] {
  const text = annotations[names.hosts] ?? "";
  const hosts = text.split(",").flatMap((part) => part.trim().toLowerCase() || []);
  for (const host of hosts) {
    if (hostPattern.test(host) && host.length <= maxHostLength) continue;
    findings.refuse(`metadata.annotations[${names.hosts}]`, "must be host names, separated by commas", host);
  }
  return hosts;
}

/** `name.namespace`, as programs inside a cluster call one another (reference §4.2). */
function toClusterHosts(label: string, namespace: string, tag?: string): Host[] {
  const short = `${label}.${namespace}`;
  return [short, `${short}.svc`, `${short}.svc.cluster.local`].map((host) => ({
    host,
    ...(tag === undefined ? {} : { tag }),
    visibility: "cluster" as const,
  }));
}

/** Every host of a service: from its name under each domain, one for each tag, cluster names, and its own. */
export function toHosts(
  workload: Pick<Workload, "namespace" | "name" | "visibility" | "customHosts"> & {
    readonly traffic: readonly { readonly tag?: string | undefined }[];
  },
  domains: readonly string[],
): Host[] {
  const { name, namespace } = workload;
  const tags = workload.traffic.flatMap((target) => target.tag ?? []);
  const isPublic = workload.visibility === "public";
  const domainHosts = (isPublic ? domains : []).flatMap((domain) => [
    { host: `${name}.${namespace}.${domain}`, visibility: workload.visibility },
    ...tags.map((tag) => ({
      host: `${tag}-${name}.${namespace}.${domain}`,
      tag,
      visibility: workload.visibility,
    })),
  ]);
  return [
    ...domainHosts,
    ...workload.customHosts.map((host) => ({ host, visibility: workload.visibility })),
    ...toClusterHosts(name, namespace),
    ...tags.flatMap((tag) => toClusterHosts(`${tag}-${name}`, namespace, tag)),
  ];
}

/** The hosts of a service of which Kubernetes has only labels, annotations and a split. Bad custom hosts are left out. */
export function findKubernetesHosts(
  service: {
    readonly namespace: string;
    readonly name: string;
    readonly labels: Readonly<Record<string, string>>;
    readonly annotations: Readonly<Record<string, string>>;
    readonly traffic: Service["traffic"];
  },
  domains: readonly string[],
): Host[] {
  const findings = new Findings(service.name);
  const customHosts = parseCustomHosts(service.annotations, findings);
  const visibility = toVisibility(service.labels);
  return toHosts(
    { ...service, visibility, customHosts: findings.problems.length > 0 ? [] : customHosts },
    domains,
  );
}

/** Knative's label keeps a service off public listeners. */
export function toVisibility(labels: Readonly<Record<string, string>>): Workload["visibility"] {
  return labels["networking.knative.dev/visibility"] === "cluster-local" ? "cluster" : "public";
}

import type { Service } from "@sluice/core";
import { names } from "./names.ts";
import type { Findings } from "./problem.ts";
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
export function toHosts(workload: Workload, domains: readonly string[]): Host[] {
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

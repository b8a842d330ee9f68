import { toKey, type Service } from "@sluice/core";

/** A service and since when it exists. */
export interface Claimant {
  readonly service: Service;
  readonly createdAt: string;
  /** Hosts that its author named, beyond those made from the service's name. */
  readonly customHosts: ReadonlySet<string>;
}

export interface RefusedHost {
  readonly namespace: string;
  readonly service: string;
  readonly host: string;
  readonly rule: string;
}

export interface ClaimDecision {
  /** Every service with the hosts that it may have. */
  readonly services: readonly Service[];
  readonly refused: readonly RefusedHost[];
}

/** Hosts that a namespace may claim beyond its own names: exact ones, or `*.suffix` for all below. */
export type HostAllowList = ReadonlyMap<string, readonly string[]>;

/** Whether the operator lets `namespace` have `host`; `*.example.org` allows itself and everything below it. */
export function isAllowedHost(allowList: HostAllowList, namespace: string, host: string): boolean {
  const allowed = allowList.get(namespace) ?? [];
  return allowed.some(
    (entry) => entry === host || (entry.startsWith("*.") && host.replace(/^\*/, "").endsWith(entry.slice(1))),
  );
}

/** `shop=shop.example.org` texts as a list for each namespace. Throws an Error that says what is wrong. */
export function parseAllowList(text: string): HostAllowList {
  const list = new Map<string, string[]>();
  for (const part of text.split(",").map((entry) => entry.trim().toLowerCase())) {
    if (part === "") continue;
    const [namespace = "", host = "", ...rest] = part.split("=");
    if (namespace === "" || host === "" || rest.length > 0) {
      throw new Error("must be namespace=host pairs, separated by commas");
    }
    list.set(namespace, [...(list.get(namespace) ?? []), host]);
  }
  return list;
}

/**
 * Who gets which host: the oldest claim wins, by creation time and then by name, so that every replica decides alike and
 * nobody can take a host away by asking for it later. Hosts that an author named need the operator's allow-list.
 */
export function decideClaims(claimants: readonly Claimant[], allowList: HostAllowList): ClaimDecision {
  const owners = new Map<string, string>();
  const services: Service[] = [];
  const refused: RefusedHost[] = [];
  const byAge = claimants.toSorted(
    (a, b) => compare(a.createdAt, b.createdAt) || compare(toKey(a.service), toKey(b.service)),
  );
  for (const { service, customHosts } of byAge) {
    const key = toKey(service);
    const hosts = service.hosts.filter(({ host }) => {
      const rule = findRefusal(host);
      if (rule === undefined) owners.set(host, key);
      else refused.push({ namespace: service.namespace, service: service.name, host, rule });
      return rule === undefined;
    });
    services.push({ ...service, hosts });

    function findRefusal(host: string): string | undefined {
      if (customHosts.has(host) && !isAllowedHost(allowList, service.namespace, host)) {
        return "must be on the operator's allow-list for this namespace (SLUICE_ALLOWED_HOSTS)";
      }
      const owner = owners.get(host);
      return owner === undefined || owner === key ? undefined : `was claimed first by ${owner}`;
    }
  }
  return { services, refused };
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

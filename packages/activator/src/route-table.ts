import { toFeedKey, toKey, type ObjectKey, type Service } from "@sluice/core";
import { normalizeHost, parseLocalName } from "./host-name.ts";
import { TrafficSplit } from "./traffic-split.ts";

/** A service and its split, which is made when the first request needs it: most services of a large feed are idle. */
interface RoutedService {
  readonly service: Service;
  split: TrafficSplit | undefined;
}

type Host = Service["hosts"][number];

/** A host with a tag, or for the cluster only. Of the others the service itself says all there is. */
class SpecialClaim {
  readonly routed: RoutedService;
  readonly host: Host;

  constructor(routed: RoutedService, host: Host) {
    this.routed = routed;
    this.host = host;
  }
}

/** Where a service leads that sends its requests to no revision (yet): no name is empty, so nobody has this key. */
export const nowhere: ObjectKey = "/";

type Claim = RoutedService | SpecialClaim;

/** Almost always one service has a host. */
type Claims = Claim | Claim[];

/**
 * Hosts to revisions, changed one service at a time so that a change costs the same with ten services or ten thousand.
 * The most specific name wins: an exact host, then wildcards from the longest to the shortest. Two services that
 * claim one host are the platform's business; here the one whose key sorts first has it, on every activator.
 */
export class RouteTable {
  /** By the feed's keys, which are there already: with most services idle each string of its own would count. */
  readonly #services = new Map<string, RoutedService>();
  /** By host as the service names it, wildcards included. */
  readonly #claims = new Map<string, Claims>();
  readonly #random: () => number;
  #wildcards = 0;

  /** `random` gives numbers in [0, 1). */
  constructor(random: () => number) {
    this.#random = random;
  }

  put(service: Service, feedKey = toFeedKey(service)): void {
    this.delete(feedKey);
    const routed: RoutedService = { service, split: undefined };
    this.#services.set(feedKey, routed);
    for (const host of service.hosts) {
      if (host.host.startsWith("*")) this.#wildcards++;
      const isSpecial = host.tag !== undefined || host.visibility !== "public";
      this.#addClaim(host.host, isSpecial ? new SpecialClaim(routed, host) : routed);
    }
  }

  delete(feedKey: string): void {
    const routed = this.#services.get(feedKey);
    if (routed === undefined) return;
    this.#services.delete(feedKey);
    for (const { host } of routed.service.hosts) {
      if (host.startsWith("*")) this.#wildcards--;
      this.#removeClaim(host, routed);
    }
  }

  service(key: ObjectKey): Service | undefined {
    return this.#findService(key)?.service;
  }

  #findService(key: ObjectKey): RoutedService | undefined {
    return this.#services.get(`service/${key}`);
  }

  /**
   * The revision for a request with this `Host` header; undefined when nobody has it, `nowhere` when its service has none. Names that are visible in the cluster only, and
   * `{name}.{namespace}.svc…`, are answered when `isInternal`.
   */
  find(hostHeader: string | undefined, isInternal: boolean): ObjectKey | undefined {
    // A header that already has the stored form is by far the most common; it needs no work.
    const quick = hostHeader === undefined ? undefined : this.#choose(hostHeader, isInternal);
    if (quick !== undefined) return quick;
    const host = normalizeHost(hostHeader);
    if (host === undefined) return undefined;
    const match = this.#choose(host, isInternal) ?? this.#findWildcard(host, isInternal);
    return match === undefined && isInternal ? this.#findLocal(host) : match;
  }

  #choose(pattern: string, isInternal: boolean): ObjectKey | undefined {
    const claims = this.#claims.get(pattern);
    if (claims === undefined) return undefined;
    if (!Array.isArray(claims)) return this.#match(claims, isInternal);
    for (const claim of claims) {
      const match = this.#match(claim, isInternal);
      if (match !== undefined) return match;
    }
    return undefined;
  }

  #findWildcard(host: string, isInternal: boolean): ObjectKey | undefined {
    if (this.#wildcards === 0) return undefined;
    for (let dot = host.indexOf("."); dot >= 0; dot = host.indexOf(".", dot + 1)) {
      const match = this.#choose(`*${host.slice(dot)}`, isInternal);
      if (match !== undefined) return match;
    }
    return this.#choose("*", isInternal);
  }

  /** `{name}` may also be `{tag}-{service}`, so each dash is tried. */
  #findLocal(host: string): ObjectKey | undefined {
    const local = parseLocalName(host);
    if (local === undefined) return undefined;
    const routed = this.#findService(toKey(local));
    if (routed !== undefined) return this.#lead(routed, undefined);
    for (let dash = local.name.indexOf("-"); dash > 0; dash = local.name.indexOf("-", dash + 1)) {
      const tag = local.name.slice(0, dash);
      const tagged = this.#findService(
        toKey({ namespace: local.namespace, name: local.name.slice(dash + 1) }),
      );
      if (tagged !== undefined && this.#splitOf(tagged).hasTag(tag)) return this.#lead(tagged, tag);
    }
    return undefined;
  }

  #match(claim: Claim, isInternal: boolean): ObjectKey | undefined {
    if (!(claim instanceof SpecialClaim)) return this.#lead(claim, undefined);
    const { routed, host } = claim;
    return host.visibility === "public" || isInternal ? this.#lead(routed, host.tag) : undefined;
  }

  #lead(routed: RoutedService, tag: string | undefined): ObjectKey | undefined {
    return this.#splitOf(routed).choose(tag) ?? nowhere;
  }

  #splitOf(routed: RoutedService): TrafficSplit {
    routed.split ??= new TrafficSplit(routed.service, this.#random());
    return routed.split;
  }

  #addClaim(host: string, claim: Claim): void {
    const present = this.#claims.get(host);
    if (present === undefined) {
      this.#claims.set(host, claim);
      return;
    }
    const claims = [...(Array.isArray(present) ? present : [present]), claim];
    this.#claims.set(
      host,
      claims.toSorted((one, other) => (toServiceKey(one) < toServiceKey(other) ? -1 : 1)),
    );
  }

  #removeClaim(host: string, routed: RoutedService): void {
    const present = this.#claims.get(host);
    const rest = (Array.isArray(present) ? present : [present]).filter((claim) => toRouted(claim) !== routed);
    const [only] = rest;
    if (only === undefined) this.#claims.delete(host);
    else this.#claims.set(host, rest.length === 1 ? only : rest.filter((claim) => claim !== undefined));
  }
}

function toRouted(claim: Claim | undefined): RoutedService | undefined {
  return claim instanceof SpecialClaim ? claim.routed : claim;
}

function toServiceKey(claim: Claim): ObjectKey {
  return toKey((claim instanceof SpecialClaim ? claim.routed : claim).service);
}

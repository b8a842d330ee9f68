import { toKey, type ObjectKey, type Service } from "@sluice/core";
import { normalizeHost, parseLocalName } from "./host-name.ts";
import { TrafficSplit } from "./traffic-split.ts";

/** A service and its split, which is made when the first request needs it: most services of a large feed are idle. */
class RoutedService {
  readonly key: ObjectKey;
  readonly service: Service;
  #split: TrafficSplit | undefined;

  constructor(key: ObjectKey, service: Service) {
    this.key = key;
    this.service = service;
  }

  get split(): TrafficSplit {
    this.#split ??= new TrafficSplit(this.service);
    return this.#split;
  }
}

type Host = Service["hosts"][number];

/** Almost always one service has a host. */
type Claims = RoutedService | RoutedService[];

/** What routing found for a request. */
export interface RouteMatch {
  readonly serviceKey: ObjectKey;
  readonly revisionKey: ObjectKey;
}

/**
 * Hosts to revisions, changed one service at a time so that a change costs the same with ten services or ten thousand.
 * The most specific name wins: an exact host, then wildcards from the longest to the shortest. Two services that
 * claim one host are the platform's business; here the one whose key sorts first has it, on every activator.
 */
export class RouteTable {
  readonly #services = new Map<ObjectKey, RoutedService>();
  /** By host as the service names it, wildcards included. */
  readonly #claims = new Map<string, Claims>();
  #wildcards = 0;

  put(service: Service): void {
    const key = toKey(service);
    this.delete(key);
    const routed = new RoutedService(key, service);
    this.#services.set(key, routed);
    for (const { host } of service.hosts) {
      if (host.startsWith("*")) this.#wildcards++;
      this.#addClaim(host, routed);
    }
  }

  delete(serviceKey: ObjectKey): void {
    const routed = this.#services.get(serviceKey);
    if (routed === undefined) return;
    this.#services.delete(serviceKey);
    for (const { host } of routed.service.hosts) {
      if (host.startsWith("*")) this.#wildcards--;
      this.#removeClaim(host, routed);
    }
  }

  service(serviceKey: ObjectKey): Service | undefined {
    return this.#services.get(serviceKey)?.service;
  }

  /**
   * Where a request with this `Host` header goes; `point` in [0, 1) picks within the split. Names that are visible in the
   * cluster only, and `{name}.{namespace}.svc…`, are answered when `isInternal`.
   */
  find(hostHeader: string | undefined, isInternal: boolean, point: number): RouteMatch | undefined {
    // A header that already has the stored form is by far the most common; it needs no work.
    const quick = hostHeader === undefined ? undefined : this.#choose(hostHeader, isInternal, point);
    if (quick !== undefined) return quick;
    const host = normalizeHost(hostHeader);
    if (host === undefined) return undefined;
    const match = this.#choose(host, isInternal, point) ?? this.#findWildcard(host, isInternal, point);
    return match === undefined && isInternal ? this.#findLocal(host, point) : match;
  }

  #choose(pattern: string, isInternal: boolean, point: number): RouteMatch | undefined {
    const claims = this.#claims.get(pattern);
    if (claims === undefined) return undefined;
    if (!Array.isArray(claims)) return toMatch(claims, pattern, isInternal, point);
    for (const routed of claims) {
      const match = toMatch(routed, pattern, isInternal, point);
      if (match !== undefined) return match;
    }
    return undefined;
  }

  #findWildcard(host: string, isInternal: boolean, point: number): RouteMatch | undefined {
    if (this.#wildcards === 0) return undefined;
    for (let dot = host.indexOf("."); dot >= 0; dot = host.indexOf(".", dot + 1)) {
      const match = this.#choose(`*${host.slice(dot)}`, isInternal, point);
      if (match !== undefined) return match;
    }
    return this.#choose("*", isInternal, point);
  }

  /** `{name}` may also be `{tag}-{service}`, so each dash is tried. */
  #findLocal(host: string, point: number): RouteMatch | undefined {
    const local = parseLocalName(host);
    if (local === undefined) return undefined;
    const routed = this.#services.get(toKey(local));
    if (routed !== undefined) return lead(routed, undefined, point);
    for (let dash = local.name.indexOf("-"); dash > 0; dash = local.name.indexOf("-", dash + 1)) {
      const tag = local.name.slice(0, dash);
      const tagged = this.#services.get(
        toKey({ namespace: local.namespace, name: local.name.slice(dash + 1) }),
      );
      if (tagged?.split.hasTag(tag) === true) return lead(tagged, tag, point);
    }
    return undefined;
  }

  #addClaim(host: string, routed: RoutedService): void {
    const present = this.#claims.get(host);
    if (present === undefined) {
      this.#claims.set(host, routed);
      return;
    }
    const claims = [...(Array.isArray(present) ? present : [present]), routed];
    this.#claims.set(
      host,
      claims.toSorted((one, other) => (one.key < other.key ? -1 : 1)),
    );
  }

  #removeClaim(host: string, routed: RoutedService): void {
    const present = this.#claims.get(host);
    const rest = (Array.isArray(present) ? present : [present]).filter((claim) => claim !== routed);
    const [only] = rest;
    if (only === undefined) this.#claims.delete(host);
    else this.#claims.set(host, rest.length === 1 ? only : rest.filter((claim) => claim !== undefined));
  }
}

function toMatch(
  routed: RoutedService,
  pattern: string,
  isInternal: boolean,
  point: number,
): RouteMatch | undefined {
  const host = findHost(routed.service.hosts, pattern);
  if (host === undefined || (host.visibility !== "public" && !isInternal)) return undefined;
  return lead(routed, host.tag, point);
}

/** A service has a handful of hosts: looking through them costs less than an object for each would. */
function findHost(hosts: readonly Host[], pattern: string): Host | undefined {
  for (const host of hosts) if (host.host === pattern) return host;
  return undefined;
}

function lead(routed: RoutedService, tag: string | undefined, point: number): RouteMatch | undefined {
  const revisionKey = routed.split.choose(tag, point);
  return revisionKey === undefined ? undefined : { serviceKey: routed.key, revisionKey };
}

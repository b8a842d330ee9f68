import { toKey, type ObjectKey, type Service } from "@sluice/core";
import { normalizeHost, parseLocalName } from "./host-name.ts";
import { TrafficSplit } from "./traffic-split.ts";

/** One host of one service. */
interface Route {
  readonly serviceKey: ObjectKey;
  readonly split: TrafficSplit;
  readonly tag: string | undefined;
  readonly isPublic: boolean;
}

interface Entry {
  readonly service: Service;
  readonly split: TrafficSplit;
}

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
  readonly #services = new Map<ObjectKey, Entry>();
  readonly #exact = new Map<string, Route | Route[]>();
  /** Keyed by what follows `*`, the dot included; the bare `*` has the empty key. */
  readonly #wildcards = new Map<string, Route | Route[]>();

  put(service: Service): void {
    const serviceKey = toKey(service);
    this.delete(serviceKey);
    const split = new TrafficSplit(service);
    this.#services.set(serviceKey, { service, split });
    for (const { host, tag, visibility } of service.hosts) {
      const route = { serviceKey, split, tag, isPublic: visibility === "public" };
      const [map, key] = this.#place(host);
      addClaim(map, key, route);
    }
  }

  delete(serviceKey: ObjectKey): void {
    const entry = this.#services.get(serviceKey);
    if (entry === undefined) return;
    this.#services.delete(serviceKey);
    for (const { host } of entry.service.hosts) {
      const [map, key] = this.#place(host);
      removeClaims(map, key, serviceKey);
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
    const direct = hostHeader === undefined ? undefined : this.#exact.get(hostHeader);
    const quick = direct === undefined ? undefined : chooseClaim(direct, isInternal);
    if (quick !== undefined) return toMatch(quick, point);
    const host = normalizeHost(hostHeader);
    if (host === undefined) return undefined;
    const route = this.#findRoute(host, isInternal);
    if (route !== undefined) return toMatch(route, point);
    return isInternal ? this.#findLocal(host, point) : undefined;
  }

  #findRoute(host: string, isInternal: boolean): Route | undefined {
    const exact = this.#exact.get(host);
    const route = exact === undefined ? undefined : chooseClaim(exact, isInternal);
    if (route !== undefined || this.#wildcards.size === 0) return route;
    for (let dot = host.indexOf("."); dot >= 0; dot = host.indexOf(".", dot + 1)) {
      const claims = this.#wildcards.get(host.slice(dot));
      const wild = claims === undefined ? undefined : chooseClaim(claims, isInternal);
      if (wild !== undefined) return wild;
    }
    const all = this.#wildcards.get("");
    return all === undefined ? undefined : chooseClaim(all, isInternal);
  }

  /** `{name}` may also be `{tag}-{service}`, so each dash is tried. */
  #findLocal(host: string, point: number): RouteMatch | undefined {
    const local = parseLocalName(host);
    if (local === undefined) return undefined;
    const serviceKey = toKey(local);
    const entry = this.#services.get(serviceKey);
    if (entry !== undefined)
      return toMatch({ serviceKey, split: entry.split, tag: undefined, isPublic: false }, point);
    for (let dash = local.name.indexOf("-"); dash > 0; dash = local.name.indexOf("-", dash + 1)) {
      const tag = local.name.slice(0, dash);
      const key = toKey({ namespace: local.namespace, name: local.name.slice(dash + 1) });
      const split = this.#services.get(key)?.split;
      if (split?.hasTag(tag) === true)
        return toMatch({ serviceKey: key, split, tag, isPublic: false }, point);
    }
    return undefined;
  }

  #place(host: string): [Map<string, Route | Route[]>, string] {
    return host.startsWith("*") ? [this.#wildcards, host.slice(1)] : [this.#exact, host];
  }
}

function toMatch(route: Route, point: number): RouteMatch | undefined {
  const revisionKey = route.split.choose(route.tag, point);
  return revisionKey === undefined ? undefined : { serviceKey: route.serviceKey, revisionKey };
}

function chooseClaim(claims: Route | Route[], isInternal: boolean): Route | undefined {
  if (!Array.isArray(claims)) return claims.isPublic || isInternal ? claims : undefined;
  return claims.find((route) => route.isPublic || isInternal);
}

function addClaim(map: Map<string, Route | Route[]>, key: string, route: Route): void {
  const present = map.get(key);
  if (present === undefined) map.set(key, route);
  else
    map.set(
      key,
      [...(Array.isArray(present) ? present : [present]), route].toSorted((a, b) =>
        a.serviceKey < b.serviceKey ? -1 : 1,
      ),
    );
}

function removeClaims(map: Map<string, Route | Route[]>, key: string, serviceKey: ObjectKey): void {
  const present = map.get(key);
  if (present === undefined) return;
  const rest = (Array.isArray(present) ? present : [present]).filter(
    (route) => route.serviceKey !== serviceKey,
  );
  const [only] = rest;
  if (only === undefined) map.delete(key);
  else map.set(key, rest.length === 1 ? only : rest);
}

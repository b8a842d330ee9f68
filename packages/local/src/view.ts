import type { Failure } from "@sluice/core";

/** What `sluice get` shows, as the control socket sends it. */
export interface ServiceView {
  readonly namespace: string;
  readonly name: string;
  /** The address to type, with the port of the public listener; empty for a service that is not public. */
  readonly url: string;
  /** The `Host` to send when the address is not resolved. */
  readonly host: string;
  readonly latestRevision: string;
  readonly traffic: readonly { readonly revision: string; readonly percent: number; readonly tag?: string }[];
  readonly ready: number;
  readonly pods: number;
  readonly failure?: Failure;
}

export interface RevisionView {
  readonly namespace: string;
  readonly name: string;
  readonly service: string;
  readonly reachable: boolean;
  /** Running or starting. */
  readonly pods: number;
  readonly ready: number;
  /** Undefined until the first decision. */
  readonly desired?: number;
  readonly mode: "proxy" | "serve";
  readonly inFlight: number;
  readonly held: number;
  readonly requestsPerSecond: number;
  readonly isPanicking: boolean;
  readonly reason: string;
  readonly failure?: Failure;
}

export interface PodView {
  readonly namespace: string;
  readonly name: string;
  readonly revision: string;
  readonly address: string;
  readonly port: number;
  readonly state: "starting" | "ready" | "terminating" | "failing";
  readonly startedAt: string;
  /** Process ids by container. */
  readonly processes: Readonly<Record<string, number>>;
  readonly failure?: Failure;
}

export interface StatusView {
  readonly pid: number;
  readonly startedAt: string;
  /** Ports of the listeners of docs/architecture.md. */
  readonly ports: {
    readonly public: number;
    readonly admin: number;
    readonly internal: number;
    readonly aggregator: number;
    readonly feed: number;
  };
  /** Process ids of the activator and the aggregator. */
  readonly members: Readonly<Record<string, number>>;
  /** Process ids that belong to no pod and no member. */
  readonly spares: number;
}

export interface ApplyView {
  readonly applied: readonly { readonly object: string; readonly action: string }[];
  readonly warnings: readonly string[];
}

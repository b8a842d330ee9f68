import type { Container } from "./container.ts";
import type { JsonObject } from "./field-reader.ts";
import type { TrafficTarget } from "./traffic.ts";

/** One version of a service as a manifest describes it; what a revision is made from. */
export interface RevisionTemplate {
  /** `template.metadata.name`, where the author names revisions; always starts with the service's name and a dash. */
  readonly revisionName?: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  /** Requests that one pod runs at once; 0 is no limit. */
  readonly containerConcurrency: number;
  /** Seconds; 0 switches a limit off. */
  readonly timeouts: { readonly request: number; readonly responseStart: number; readonly idle: number };
  readonly protocol: "http1" | "h2c";
  /** The port on which the app takes requests (`USER_PORT`, and the app's `PORT`). */
  readonly appPort: number;
  /** False when the manifest names no port, so that another than the default may be chosen. */
  readonly isAppPortExplicit: boolean;
  readonly containers: readonly Container[];
  /** The one of `containers` that takes requests. */
  readonly serving: Container;
  /** The pod's specification as it was written. */
  readonly podSpec: JsonObject;
  /** Changes when anything in the template does; names apart. */
  readonly contentHash: string;
}

/** A service and the template of its newest revision, checked and with defaults filled in. */
export interface Workload {
  readonly origin: "knative" | "deployment";
  readonly namespace: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  /** `cluster`: answered on internal listeners only. */
  readonly visibility: "public" | "cluster";
  /** Hosts beyond those made from the name, from `sluice.dev/hosts`. */
  readonly customHosts: readonly string[];
  readonly template: RevisionTemplate;
  readonly traffic: readonly TrafficTarget[];
  /** The whole object as it was written. */
  readonly object: JsonObject;
}

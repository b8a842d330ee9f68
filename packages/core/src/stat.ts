/**
 * One report of load, by a pod's sidecar or by an activator. Field meanings as in Knative's `stat.proto`
 * (reference §1.10): averages are over the time that really passed, counts are of the reporting period.
 */
export interface Stat {
  readonly podName: string;
  readonly averageConcurrentRequests: number;
  /** The part of the average that came through an activator, which reports it itself. */
  readonly averageProxiedConcurrentRequests: number;
  readonly requestCount: number;
  readonly proxiedRequestCount: number;
  /** Seconds since the reporting process started; 0 when it does not say. */
  readonly processUptime: number;
  /** Unix seconds that the report covers; 0 leaves it to the receiver. */
  readonly timestamp: number;
  /**
   * Requests that an activator holds right now because no pod can take them. Field 15 is our extension:
   * Knative's decoders skip it, and 0, which is all that Knative's encoders say, is left away.
   */
  readonly held: number;
}

/** A stat and the revision that it is about, as activators send them. */
export interface RevisionStat {
  readonly namespace: string;
  readonly name: string;
  readonly stat: Stat;
}

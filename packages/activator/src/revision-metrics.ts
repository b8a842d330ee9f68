import type { ObjectKey } from "@sluice/core";
import {
  Counter,
  CounterFamily,
  Histogram,
  HistogramFamily,
  LabelBound,
  type CounterSeries,
  type HistogramSeries,
  type Registry,
} from "@sluice/kit";
import type { ColdStartPhase, PhaseDurations } from "./cold-start.ts";
import type { HoldBound } from "./hold-budget.ts";

const durationBuckets = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 30, 60];
const phaseBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

const revisionLabels = ["namespace", "revision"] as const;
type RevisionLabel = (typeof revisionLabels)[number];

/** Whose a series is; `other` for all revisions beyond the bound. */
export type RevisionLabels = Readonly<Record<RevisionLabel, string>>;

/** One revision's series. Those that requests touch are kept at hand, and made when there is something to count. */
export class RevisionMetrics {
  readonly labels: RevisionLabels;
  readonly #all: ActivatorMetrics;
  readonly #requests = new Map<number, CounterSeries<RevisionLabel | "code">>();
  #duration: HistogramSeries<RevisionLabel> | undefined;
  #hold: HistogramSeries<RevisionLabel> | undefined;
  /** The status of the last request, which most often is the next one's, too. */
  #lastStatus = 0;
  #lastRequests: CounterSeries | undefined;
  /** The values of the labels under which something was counted, so that all of it can be removed. */
  readonly #bounds = new Set<HoldBound>();
  readonly #reasons = new Set<string>();

  constructor(all: ActivatorMetrics, labels: RevisionLabels) {
    this.labels = labels;
    this.#all = all;
  }

  countRequest(status: number, durationMs: number): void {
    const requests =
      status === this.#lastStatus && this.#lastRequests !== undefined
        ? this.#lastRequests
        : this.#findRequests(status);
    requests.value++;
    this.#duration ??= this.#all.duration.add(this.labels);
    this.#duration.observe(durationMs / 1000);
  }

  #findRequests(status: number): CounterSeries {
    let series = this.#requests.get(status);
    if (series === undefined) {
      series = this.#all.requests.add({ ...this.labels, code: String(status) });
      this.#requests.set(status, series);
    }
    this.#lastStatus = status;
    this.#lastRequests = series;
    return series;
  }

  observeHold(heldMs: number): void {
    this.#hold ??= this.#all.hold.add(this.labels);
    this.#hold.observe(heldMs / 1000);
  }

  observePhases(queuedMs: number, phases: PhaseDurations): void {
    this.#all.phases.labels({ phase: "queued" }).observe(queuedMs / 1000);
    for (const phase in phases) {
      const durationMs = phases[phase as ColdStartPhase];
      if (durationMs !== undefined) this.#all.phases.labels({ phase }).observe(durationMs / 1000);
    }
  }

  countRejection(bound: HoldBound): void {
    this.#bounds.add(bound);
    this.#all.rejections.labels({ ...this.labels, bound }).inc();
  }

  countRetry(reason: string): void {
    this.#reasons.add(reason);
    this.#all.retries.labels({ ...this.labels, reason }).inc();
  }

  /** Takes every series of the revision out of the registry. */
  remove(): void {
    const { requests, duration, hold, rejections, retries } = this.#all;
    for (const series of this.#requests.values()) requests.delete(series);
    if (this.#duration !== undefined) duration.delete(this.#duration);
    if (this.#hold !== undefined) hold.delete(this.#hold);
    for (const bound of this.#bounds) rejections.remove({ ...this.labels, bound });
    for (const reason of this.#reasons) retries.remove({ ...this.labels, reason });
  }
}

/** Every series of the activator that is about requests. Gauges over live state are added by the service. */
export class ActivatorMetrics {
  readonly requests: CounterFamily<RevisionLabel | "code">;
  readonly duration: HistogramFamily<RevisionLabel>;
  readonly hold: HistogramFamily<RevisionLabel>;
  readonly phases: Histogram<"phase">;
  readonly rejections: Counter<"namespace" | "revision" | "bound">;
  readonly retries: Counter<"namespace" | "revision" | "reason">;
  readonly unrouted: Counter;
  readonly #bound: LabelBound;
  readonly #revisions = new Map<string, RevisionMetrics>();

  constructor(registry: Registry, maxRevisions: number) {
    const registers = [registry];
    this.#bound = new LabelBound(maxRevisions);
    this.requests = new CounterFamily({
      name: "sluice_activator_requests_total",
      help: "Requests that ended, by the status that the client got; 499 is a client that left.",
      registry,
    });
    this.duration = new HistogramFamily({
      name: "sluice_activator_request_duration_seconds",
      help: "From the request's arrival to its last byte, waiting included.",
      buckets: durationBuckets,
      registry,
    });
    this.hold = new HistogramFamily({
      name: "sluice_activator_hold_seconds",
      help: "How long requests that had to wait for a pod waited.",
      buckets: durationBuckets,
      registry,
    });
    this.phases = new Histogram({
      name: "sluice_activator_cold_start_phase_seconds",
      help: "Cold starts: queued is the whole time without a pod; decided, scaled, address, probe and first-byte are what it, and the answer, took.",
      labelNames: ["phase"],
      buckets: phaseBuckets,
      registers,
    });
    this.rejections = new Counter({
      name: "sluice_activator_hold_rejections_total",
      help: "Requests that were not held, or no longer, because of a bound.",
      labelNames: [...revisionLabels, "bound"],
      registers,
    });
    this.retries = new Counter({
      name: "sluice_activator_retries_total",
      help: "Requests that went to another pod because the first provably did not begin them.",
      labelNames: [...revisionLabels, "reason"],
      registers,
    });
    this.unrouted = new Counter({
      name: "sluice_activator_unrouted_requests_total",
      help: "Requests whose host no service has.",
      registers,
    });
  }

  /** Of every revision that has series. */
  *labels(): Iterable<RevisionLabels> {
    for (const { labels } of this.#revisions.values()) yield labels;
  }

  /** The series of one revision; beyond the bound all share those of `other`. */
  forRevision(namespace: string, name: string): RevisionMetrics {
    const key = this.#bound.toLabel(`${namespace}/${name}`);
    let metrics = this.#revisions.get(key);
    if (metrics === undefined) {
      const isOther = !key.includes("/");
      const labels = isOther ? { namespace: key, revision: key } : { namespace, revision: name };
      metrics = new RevisionMetrics(this, labels);
      this.#revisions.set(key, metrics);
    }
    return metrics;
  }

  /** The revision is gone for good: its series go too, and leave their place to those of later ones. */
  forget(key: ObjectKey): void {
    this.#revisions.get(key)?.remove();
    this.#revisions.delete(key);
    this.#bound.delete(key);
  }
}

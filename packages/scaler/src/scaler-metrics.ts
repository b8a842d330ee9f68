import { addGauge, Counter, createMetrics, Histogram, type Registry } from "@sluice/kit";

/** Figures that are read when somebody scrapes. */
export interface ScalerFigures {
  readonly countRevisions: () => number;
  readonly countWatchers: () => number;
  readonly isWriter: () => boolean;
}

export interface ScalerMetrics {
  readonly registry: Registry;
  readonly apiRequests: Counter<"method" | "kind">;
  readonly scaleWriteSeconds: Histogram;
  readonly admissions: Counter<"result">;
  readonly admissionSeconds: Histogram;
}

export function createScalerMetrics(figures: ScalerFigures): ScalerMetrics {
  const registry = createMetrics();
  const registers = [registry];
  addGauge(registry, "sluice_scaler_revisions", "Deployments that opted in.", figures.countRevisions);
  addGauge(registry, "sluice_scaler_feed_watchers", "Readers of the feed.", figures.countWatchers);
  addGauge(registry, "sluice_scaler_is_writer", "1 on the replica that writes.", () =>
    figures.isWriter() ? 1 : 0,
  );
  return {
    registry,
    apiRequests: new Counter({
      name: "sluice_scaler_api_requests_total",
      help: "Requests to the Kubernetes API by method; kind is call or watch.",
      labelNames: ["method", "kind"],
      registers,
    }),
    scaleWriteSeconds: new Histogram({
      name: "sluice_scaler_scale_write_seconds",
      help: "Time from a decision's appearance to the API server's answer to its write.",
      buckets: [0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5],
      registers,
    }),
    admissions: new Counter({
      name: "sluice_scaler_admissions_total",
      help: "Pods that the webhook answered for; result is allowed or refused.",
      labelNames: ["result"],
      registers,
    }),
    admissionSeconds: new Histogram({
      name: "sluice_scaler_admission_seconds",
      help: "Time of the webhook's answer.",
      buckets: [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1],
      registers,
    }),
  };
}

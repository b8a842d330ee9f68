import type { ObjectKey } from "@sluice/core";
import { answerJson, type AdminRoute } from "@sluice/kit";
import type { RevisionScaler } from "./revision-scaler.ts";
import type { SteadyTime } from "./steady-time.ts";

/**
 * The queue sizes in the form that the KEDA http-add-on's scaler reads from its interceptors: by revision, requests
 * in flight now and requests counted since this process started.
 */
export function createQueueRoute(
  scalers: () => ReadonlyMap<ObjectKey, RevisionScaler>,
  time: SteadyTime,
): AdminRoute {
  return {
    method: "GET",
    path: "/queue",
    handle({ response }) {
      const nowMs = time.nowMs();
      const queue: Record<string, { Concurrency: number; RequestCount: number }> = {};
      for (const [key, { load }] of scalers()) {
        queue[key] = {
          Concurrency: Math.round(load.countInFlight(nowMs).inFlight),
          RequestCount: Math.round(load.totalRequests),
        };
      }
      answerJson(response, 200, queue);
    },
  };
}

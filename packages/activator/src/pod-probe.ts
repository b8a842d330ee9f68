import {
  headerNames,
  probeTargets,
  probeUserAgentPrefixes,
  SluiceError,
  type CancelTimer,
  type Clock,
} from "@sluice/core";
import { toAuthority, type Dispatcher, type UpstreamPools } from "@sluice/dataplane";
import type { ProbePod } from "./pod-prober.ts";

const expectedBody: string = probeTargets.queue;

/**
 * Probes pods as Knative's activator does (reference §2.4): `GET /healthz` with `K-Network-Probe: queue`; healthy is 200 with
 * the body `queue`. It uses the connections of requests, so the first request finds one open.
 */
export function createPodProbe(pools: UpstreamPools, clock: Clock): ProbePod {
  return (tracker, timeoutMs, done) => {
    const target = { address: tracker.pod.address, port: tracker.pod.ports.main };
    const probe = new RunningProbe(done);
    probe.cancelTimer = clock.setTimer(() => probe.expire(), timeoutMs);
    pools.get(target).dispatch(
      {
        method: "GET",
        path: "/healthz",
        headers: [
          "Host",
          toAuthority(target),
          "User-Agent",
          probeUserAgentPrefixes[1],
          headerNames.networkProbe,
          probeTargets.queue,
        ],
      },
      probe,
    );
  };
}

class RunningProbe implements Dispatcher.DispatchHandler {
  cancelTimer: CancelTimer | undefined;
  #done: ((isHealthy: boolean) => void) | undefined;
  #controller: Dispatcher.DispatchController | undefined;
  #status = 0;
  #body = "";

  constructor(done: (isHealthy: boolean) => void) {
    this.#done = done;
  }

  expire(): void {
    const error = new SluiceError("upstream-connect", "the probe took too long");
    this.#controller?.abort(error);
    this.#settle(false);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    // The time was over before there was a connection.
    if (this.#done === undefined) controller.abort(new SluiceError("upstream-connect"));
  }

  onResponseStart(_controller: Dispatcher.DispatchController, status: number): void {
    this.#status = status;
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#body += chunk.toString("latin1");
    if (this.#body.length > expectedBody.length) controller.abort(new SluiceError("upstream-invalid"));
  }

  onResponseEnd(): void {
    this.#settle(this.#status === 200 && this.#body === expectedBody);
  }

  onResponseError(): void {
    this.#settle(false);
  }

  #settle(isHealthy: boolean): void {
    this.cancelTimer?.();
    const done = this.#done;
    this.#done = undefined;
    done?.(isHealthy);
  }
}

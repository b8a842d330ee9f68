import { request } from "node:http";
import { headerNames, probeTargets } from "@sluice/core";

export interface ProbeTarget {
  readonly address: string;
  readonly port: number;
}

export type ReadinessProbe = (target: ProbeTarget, timeoutMs: number) => Promise<boolean>;

/** Asks a pod's sidecar as a kubelet does; the sidecar answers for the app behind it. Never rejects. */
export const probeSidecar: ReadinessProbe = async (target, timeoutMs) =>
  await new Promise((resolve) => {
    const probe = request({
      host: target.address,
      port: target.port,
      path: "/",
      agent: false,
      signal: AbortSignal.timeout(timeoutMs),
      headers: { "user-agent": "kube-probe/sluice", [headerNames.networkProbe]: probeTargets.queue },
    });
    probe.once("response", (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    probe.once("error", () => resolve(false));
    probe.end();
  });

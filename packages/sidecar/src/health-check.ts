import { headerNames, probeTargets, probeUserAgentPrefixes } from "@sluice/core";
import type { RequestHead } from "@sluice/dataplane";

/** A question about the pod rather than a request for the app. */
export type HealthQuestion = "health-check" | "network-probe";

/**
 * Which question a request asks, if any (reference §1.4). A user agent of a prober makes it a health check whatever else it
 * says; the value `probe` asks whether the network leads here; any other value is an ordinary request.
 */
export function findHealthQuestion(
  userAgent: string | undefined,
  networkProbe: string | undefined,
): HealthQuestion | undefined {
  if (userAgent !== undefined && isProberAgent(userAgent)) return "health-check";
  return networkProbe === probeTargets.probe ? "network-probe" : undefined;
}

/** Whether Knative takes a request for a probe, which it neither logs nor measures: a kubelet's, or anything with `K-Network-Probe`. */
export function isProbe({ userAgent, kubeletProbe = "", networkProbe = "" }: RequestHead): boolean {
  return kubeletProbe !== "" || networkProbe !== "" || userAgent?.startsWith("kube-probe/") === true;
}

// Every request asks this; the first letter answers it for nearly all of them.
function isProberAgent(userAgent: string): boolean {
  const first = userAgent.charCodeAt(0);
  return (
    (first === 0x6b || first === 0x4b) &&
    probeUserAgentPrefixes.some((prefix) => userAgent.startsWith(prefix))
  );
}

export interface HealthAnswer {
  readonly status: number;
  readonly body: string;
  readonly headers: string[];
}

const shuttingDown = toError(503, "shutting down");

/** What a health check hears before the app has to be asked; undefined when it has to be. */
export function decideHealthAnswer(
  question: HealthQuestion,
  isDraining: boolean,
  networkProbe: string | undefined,
  networkHash: string | undefined,
): HealthAnswer | undefined {
  if (isDraining) return shuttingDown;
  if (question === "network-probe") return decideNetworkAnswer(networkHash);
  if (networkProbe !== probeTargets.queue)
    return toError(400, `unexpected probe header value: ${networkProbe ?? ""}`);
  return undefined;
}

/** What a health check hears once the app was asked. */
export function toReadinessAnswer(isReady: boolean): HealthAnswer {
  return isReady
    ? { status: 200, body: probeTargets.queue, headers: ["Content-Type", "text/plain; charset=utf-8"] }
    : { status: 503, body: "", headers: [] };
}

function decideNetworkAnswer(networkHash: string | undefined): HealthAnswer {
  if (networkHash === undefined || networkHash === "") {
    return toError(400, 'a probe request must contain a non-empty "K-Network-Hash" header');
  }
  return { status: 200, body: "", headers: [headerNames.networkHash, networkHash] };
}

/** As Go's `http.Error` writes it, which is what probers compare. */
function toError(status: number, message: string): HealthAnswer {
  return {
    status,
    body: `${message}\n`,
    headers: ["Content-Type", "text/plain; charset=utf-8", "X-Content-Type-Options", "nosniff"],
  };
}

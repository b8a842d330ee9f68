import { headerNames, probeTargets, probeUserAgentPrefixes } from "@sluice/core";
import type { RequestHead } from "@sluice/dataplane";

export interface ProbeAnswer {
  readonly status: number;
  readonly body: string;
  /** Names and values in turn. */
  readonly headers: readonly string[];
}

const kubeletAgent = probeUserAgentPrefixes[0];

/**
 * The answer to a health check or network probe, in the order in which Knative's activator asks (reference §2.2); undefined
 * for a request that is none. Only for listeners whose callers are trusted: elsewhere these headers are gone, and
 * a user agent is no proof of anything. `unready` says why this activator should get no traffic.
 */
export function decideProbeAnswer(head: RequestHead, unready: string | undefined): ProbeAnswer | undefined {
  if (head.kubeletProbe !== undefined || head.userAgent?.startsWith(kubeletAgent) === true) {
    return unready === undefined ? answer(200, "") : answer(500, `${unready}\n`);
  }
  if (head.networkProbe === undefined || head.networkProbe === "") return undefined;
  if (head.networkProbe === probeTargets.probe) return answerNetworkProbe(head.networkHash);
  if (head.networkProbe === probeTargets.activator) return answer(200, probeTargets.activator);
  return answer(400, `unexpected probe header value: "${escapeHtml(head.networkProbe)}"\n`);
}

function answerNetworkProbe(hash: string | undefined): ProbeAnswer {
  if (hash === undefined || hash === "")
    return answer(400, `a probe request must contain a non-empty "K-Network-Hash" header\n`);
  return { status: 200, body: "", headers: [headerNames.networkHash, hash] };
}

function answer(status: number, body: string): ProbeAnswer {
  return { status, body, headers: [] };
}

const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&#34;",
  "'": "&#39;",
};

function escapeHtml(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => entities[character] ?? character);
}

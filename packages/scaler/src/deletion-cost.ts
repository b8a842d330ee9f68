import { decodeStat } from "@sluice/core";
import { request } from "undici";
import { mergePatch, type ApiClient } from "./api-client.ts";
import { deletionCostAnnotation, type PodRecord } from "./pod-record.ts";

/** Asking every pod must not hold a scale-down up; who does not answer in time counts as busy. */
const scrapeTimeoutMs = 300;
const maxPods = 200;
/** A pod that did not answer may be too busy to. */
const unknownCost = 1000;

/** Cost by pod: requests in flight, rounded up. Only what differs from what the pod carries already has to be written. */
export function decideCosts(
  pods: readonly PodRecord[],
  inFlight: ReadonlyMap<string, number | undefined>,
): ReadonlyMap<string, number> {
  const costs = new Map<string, number>();
  for (const pod of pods) {
    const load = inFlight.get(pod.name);
    const cost = load === undefined ? unknownCost : Math.ceil(load);
    if (cost !== pod.deletionCost) costs.set(pod.name, cost);
  }
  return costs;
}

async function readInFlight(pod: PodRecord): Promise<number | undefined> {
  const host = pod.address.includes(":") ? `[${pod.address}]` : pod.address;
  try {
    const answer = await request(`http://${host}:${pod.ports.stats}/metrics`, {
      signal: AbortSignal.timeout(scrapeTimeoutMs),
    });
    const bytes = Buffer.from(await answer.body.arrayBuffer());
    return answer.statusCode === 200 ? decodeStat(bytes).averageConcurrentRequests : undefined;
  } catch {
    // No answer in time is an answer: see unknownCost.
    return undefined;
  }
}

/**
 * Makes the ReplicaSet take idle pods first: writes each pod's requests in flight as its deletion cost. Best effort, once,
 * right before replicas go down; a pod that is written late only loses its protection.
 */
export async function spareBusyPods(client: ApiClient, pods: readonly PodRecord[]): Promise<void> {
  const asked = pods.filter((pod) => pod.address !== "" && !pod.terminating).slice(0, maxPods);
  const loads = await Promise.all(asked.map(async (pod) => [pod.name, await readInFlight(pod)] as const));
  const costs = decideCosts(asked, new Map(loads));
  const writes = asked
    .filter((pod) => costs.has(pod.name))
    .map((pod) =>
      client.call("PATCH", `/api/v1/namespaces/${pod.namespace}/pods/${pod.name}`, {
        contentType: mergePatch,
        timeoutMs: 1000,
        body: { metadata: { annotations: { [deletionCostAnnotation]: String(costs.get(pod.name)) } } },
      }),
    );
  // Pods that went meanwhile need no protection.
  await Promise.allSettled(writes);
}

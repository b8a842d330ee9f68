import { get } from "node:http";
import { decodeStat } from "@sluice/core";
import type { Pod as PodObject } from "@sluice/core";

/** A sidecar that takes longer is busy, which is all that is asked here. */
const limitMs = 200;
const longestBody = 4096;

/** Requests in the pod over its last second, from its sidecar's own report; Infinity when it does not say in time. */
export async function readPodLoad(pod: PodObject): Promise<number> {
  const body = await fetchStat(pod);
  if (body === undefined) return Infinity;
  try {
    return decodeStat(body).averageConcurrentRequests;
  } catch {
    // A report that cannot be read says as little as none.
    return Infinity;
  }
}

async function fetchStat(pod: PodObject): Promise<Buffer | undefined> {
  return await new Promise((resolve) => {
    const call = get({
      host: pod.address,
      port: pod.ports.stats,
      path: "/metrics",
      agent: false,
      signal: AbortSignal.timeout(limitMs),
    });
    call.once("error", () => resolve(undefined));
    call.once("response", (response) => {
      const parts: Buffer[] = [];
      let bytes = 0;
      response.on("data", (part: Buffer) => {
        bytes += part.length;
        if (bytes <= longestBody) parts.push(part);
      });
      response.once("error", () => resolve(undefined));
      response.once("end", () => resolve(response.statusCode === 200 ? Buffer.concat(parts) : undefined));
    });
  });
}

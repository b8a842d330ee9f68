import autocannon, { type Client } from "autocannon";
import { PacedClient } from "./paced-client.ts";

export interface LoadPlan {
  readonly url: string;
  readonly host?: string;
  readonly clients: number;
  readonly durationMs: number;
  /** Requests per second of all clients together; undefined sends each next request as soon as the last is answered. */
  readonly rate?: number;
  readonly timeoutMs: number;
}

/** What one load brought, uncorrected: latencies are from the write of a request to the end of its answer. */
export interface LoadResult {
  readonly durationMs: number;
  /** Milliseconds of every answered request, in the order of the answers. */
  readonly latenciesMs: readonly number[];
  readonly statuses: Readonly<Record<string, number>>;
  /** Head and body of all answers. */
  readonly bytes: number;
  /** Connections that failed, and requests that nobody answered in time. */
  readonly errors: number;
}

/** Sends the load and waits for its end. Requests that are under way at the end are cut and not counted. */
export async function runLoad(plan: LoadPlan): Promise<LoadResult> {
  const latenciesMs: number[] = [];
  const statuses: Record<string, number> = {};
  const paced: PacedClient[] = [];
  let bytes = 0;
  let errors = 0;
  const startMs = performance.now();
  await new Promise<void>((resolve, reject) => {
    const instance = autocannon(
      {
        url: plan.url,
        connections: plan.clients,
        duration: plan.durationMs / 1000,
        timeout: plan.timeoutMs / 1000,
        headers: plan.host === undefined ? {} : { host: plan.host },
        setupClient(client) {
          if (plan.rate !== undefined)
            paced.push(paceClient(client, plan.rate, plan.clients, paced.length, startMs));
        },
      },
      (error) => (error === null ? resolve() : reject(error)),
    );
    instance.on("response", (_client: Client, status: number, size: number, latencyMs: number) => {
      latenciesMs.push(latencyMs);
      statuses[status] = (statuses[status] ?? 0) + 1;
      bytes += size;
    });
    instance.on("reqError", () => errors++);
  });
  for (const client of paced) client.stop();
  return { durationMs: performance.now() - startMs, latenciesMs, statuses, bytes, errors };
}

/**
 * autocannon's own rate sends a second's requests in one burst, which no group of people does and which would ask for
 * more pods. So each client waits for its own moment: all have the same pace and start evenly spread over it.
 */
function paceClient(
  client: Client,
  rate: number,
  clients: number,
  index: number,
  startMs: number,
): PacedClient {
  const intervalMs = (1000 * clients) / rate;
  const send = client._doRequest.bind(client);
  const paced = new PacedClient(intervalMs, startMs + (index * intervalMs) / clients, () => {
    if (!client.destroyed) send();
  });
  client._doRequest = () => paced.next();
  return paced;
}

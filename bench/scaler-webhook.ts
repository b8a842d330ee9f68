import { createAuthority, createServerCertificate } from "../packages/scaler/src/certificate-maker.ts";
import { WebhookServer } from "../packages/scaler/src/webhook-server.ts";
import { createLogger } from "@sluice/kit";
import { readFileSync } from "node:fs";
import { Agent, request } from "node:https";
import { join } from "node:path";
import type { Bench, BenchOptions } from "./harness/bench.ts";
import { median } from "./harness/median.ts";
import type { Table } from "./harness/table.ts";

const reviews = 500;
const defaultRounds = 3;
const host = "sluice-webhook.sluice-system.svc";
const vectors = join(import.meta.dirname, "..", "test", "vectors", "kubernetes-api.json");

interface Exchange {
  readonly name: string;
  readonly request: { readonly body: Record<string, never> };
}

/** The recorded AdmissionReview, of a pod that asks for the sidecar. */
function readReview(): string {
  const exchanges = JSON.parse(readFileSync(vectors, "utf8")) as Exchange[];
  const body = exchanges.find((exchange) => exchange.name.startsWith("mutating admission"))?.request.body;
  const review = JSON.parse(JSON.stringify(body)) as {
    request: {
      object: {
        metadata: { labels: Record<string, string> };
        spec: { containers: Record<string, unknown>[] };
      };
    };
  };
  review.request.object.metadata.labels["sluice.dev/inject"] = "true";
  const [container] = review.request.object.spec.containers;
  if (container !== undefined) container["ports"] = [{ containerPort: 3000 }];
  return JSON.stringify(review);
}

/** Milliseconds of one review, from the request to the whole answer. */
function ask(port: number, agent: Agent, body: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const startMs = performance.now();
    const sent = request(
      { host: "127.0.0.1", port, path: "/mutate", method: "POST", servername: host, agent },
      (response) => {
        response.on("end", () => resolve(performance.now() - startMs));
        response.on("error", reject);
        response.resume();
      },
    );
    sent.on("error", reject);
    sent.end(body);
  });
}

async function run(options: BenchOptions): Promise<readonly Table[]> {
  const authority = await createAuthority(Date.now());
  const pair = await createServerCertificate(authority, [host], Date.now());
  const answerTimes: number[] = [];
  const server = new WebhookServer(
    {
      address: "127.0.0.1",
      port: 0,
      log: createLogger({ name: "bench", level: "silent" }),
      image: "sidecar",
      findOwner: () => undefined,
      onAnswer: (_isAllowed, tookMs) => answerTimes.push(tookMs),
    },
    pair,
  );
  const { port } = await server.listen();
  const agent = new Agent({ keepAlive: true, ca: authority.certificate });
  const body = readReview();
  const times: number[] = [];
  try {
    const first = await ask(port, agent, body);
    for (let index = 0; index < reviews * (options.rounds ?? defaultRounds); index++) {
      times.push(await ask(port, agent, body));
    }
    const sorted = times.toSorted((a, b) => a - b);
    return [
      {
        title: "Webhook: time of one review in ms",
        columns: ["what", "times", "p50", "p99", "longest"],
        rows: [
          ["first, with the TLS handshake", 1, first, undefined, first],
          [
            "on an open connection",
            times.length,
            median(times),
            sorted[Math.floor(sorted.length * 0.99)],
            sorted.at(-1),
          ],
          [
            "of it inside the webhook",
            answerTimes.length,
            median(answerTimes),
            undefined,
            Math.max(...answerTimes),
          ],
        ],
        notes: ["client and webhook share one process, so the figures hold the cost of both sides"],
      },
    ];
  } finally {
    agent.destroy();
    await server.close();
  }
}

export const bench: Bench = {
  question: "How long does the admission webhook take?",
  run,
};

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseAllDocuments } from "yaml";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { RecordedRequest } from "../support/fake-kubernetes.ts";
import {
  paths,
  ScalerHarness,
  toActivator,
  toDecision,
  toDeployment,
  toPod,
  toReplicaSet,
  toRivalSlice,
  toService,
} from "../support/scaler-harness.ts";
import { waitUntil } from "../support/wait-until.ts";

interface Rule {
  apiGroups: string[];
  resources: string[];
  resourceNames?: string[];
  verbs: string[];
}

const file = join(import.meta.dirname, "..", "..", "deploy", "base", "scaler-rights.yaml");
const rules = parseAllDocuments(readFileSync(file, "utf8"))
  .map((document) => document.toJS() as { kind: string; rules?: Rule[] })
  .flatMap((object) => object.rules ?? []);

const verbs: Readonly<Record<string, string>> = {
  POST: "create",
  PUT: "update",
  PATCH: "patch",
  DELETE: "delete",
};

/** `apps/deployments/scale patch`, as RBAC sees a request; names only where a rule may name them. */
function toRight(request: RecordedRequest): { right: string; name: string } {
  const [, kind, ...rest] = request.path.split("/");
  const group = kind === "api" ? "" : (rest[0] ?? "");
  const tail = rest.slice(kind === "api" ? 1 : 2);
  const [resource = "", name = "", subresource] = tail[0] === "namespaces" ? tail.slice(2) : tail;
  const isWatch = request.query.get("watch") === "true";
  const read = isWatch ? "watch" : name === "" ? "list" : "get";
  const verb = verbs[request.method] ?? read;
  return { right: `${group}/${resource}${subresource === undefined ? "" : `/${subresource}`} ${verb}`, name };
}

function isAllowed(request: RecordedRequest): boolean {
  const { right, name } = toRight(request);
  return rules.some(
    (rule) =>
      toRights(rule).includes(right) &&
      (rule.resourceNames === undefined || rule.resourceNames.includes(name)),
  );
}

function toRights(rule: Rule): string[] {
  return rule.apiGroups.flatMap((group) =>
    rule.resources.flatMap((resource) => rule.verbs.map((verb) => `${group}/${resource} ${verb}`)),
  );
}

let harness: ScalerHarness;
beforeEach(async () => {
  harness = new ScalerHarness();
  await harness.start();
});
afterEach(() => harness.stop());

test("the scaler has the rights that it uses, and uses every right that it has", async () => {
  const { api } = harness;
  api.put(paths.deployments, toDeployment("hello", { spec: { replicas: 2 } }));
  api.put(paths.replicaSets, toReplicaSet("hello"));
  api.put(paths.services, toService("hello"));
  api.put(paths.slices, toRivalSlice("hello"));
  api.put(paths.pods, toActivator("activator-0", "10.0.1.1"));
  api.put(paths.pods, toPod("hello", "hello-1", { address: "10.0.0.1", isReady: true }));
  api.put(paths.secrets, { metadata: { name: "sluice-webhook", namespace: "sluice-system" } });
  api.put(paths.webhooks, {
    metadata: { name: "sluice-webhook" },
    webhooks: [{ name: "sidecar.sluice.dev", clientConfig: {} }],
  });
  const scaler = await harness.startScaler({ SLUICE_WEBHOOK_PORT: "0" });
  await waitUntil("the webhook", () => scaler.webhookPort());
  await waitUntil("activators", () => harness.slicesOf("hello")["activators"]?.length === 1);
  harness.decide(toDecision("hello", 1, { mode: "serve" }));
  await waitUntil("pods alone", () => Object.keys(harness.slicesOf("hello")).join() === "pods");
  api.put(paths.pods, toPod("hello", "hello-2", { address: "10.0.0.2", isReady: true }));
  await waitUntil("two pods", () => harness.slicesOf("hello")["pods"]?.length === 2);
  await harness.waitForReplicas("hello", 1);
  await harness.waitForEvent("Scaled");
  await harness.waitForFeed(
    scaler,
    "revision",
    "hello",
    (revision) => revision.applied.decidedAt !== undefined,
  );
  await harness.stopScaler(scaler);
  expect(api.requests.filter((request) => !isAllowed(request)).map(toRight)).toEqual([]);
  const used = new Set(api.requests.map((request) => toRight(request).right));
  expect(rules.flatMap(toRights).filter((right) => !used.has(right))).toEqual([]);
});

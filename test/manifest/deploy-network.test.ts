import { describe, expect, test } from "vitest";
import {
  containerOf,
  hasKubectl,
  kustomize,
  readDeployed,
  type Deployed,
  type DeployedContainer,
} from "../support/deployed.ts";

interface Place {
  /** Undefined for what is no pod: the outside, a node, the API server. */
  readonly labels?: Readonly<Record<string, string>>;
  readonly namespace?: string;
}

interface Peer {
  podSelector?: { matchLabels: Record<string, string> };
  namespaceSelector?: object;
}

interface Rule {
  from?: Peer[];
  to?: Peer[];
  ports?: { port: string | number; protocol?: string }[];
}

interface Policy {
  podSelector: { matchLabels: Record<string, string> };
  policyTypes: string[];
  ingress?: Rule[];
  egress?: Rule[];
}

const system = "sluice-system";
const outside: Place = {};
const app: Place = { namespace: "shop", labels: { app: "shop" } };

function ours(name: string): Place {
  return {
    namespace: system,
    labels: { "app.kubernetes.io/name": name, "app.kubernetes.io/part-of": "sluice" },
  };
}

function has(place: Place, labels: Readonly<Record<string, string>>): boolean {
  return Object.entries(labels).every(([key, value]) => place.labels?.[key] === value);
}

/** A peer without a namespace selector is in the policy's own; the only namespace selector of ours takes every pod. */
function isPeer(place: Place, { podSelector, namespaceSelector }: Peer): boolean {
  if (place.labels === undefined) return false;
  const isThere = namespaceSelector !== undefined || place.namespace === system;
  return isThere && has(place, podSelector?.matchLabels ?? {});
}

function admits(rules: readonly Rule[], other: Place, port: number, target?: DeployedContainer): boolean {
  const toNumber = (name: string | number): number | undefined =>
    typeof name === "number" ? name : target?.ports.find((entry) => entry.name === name)?.containerPort;
  return rules.some(({ from, to, ports }) => {
    const peers = from ?? to;
    const isFromThere = peers === undefined || peers.some((peer) => isPeer(other, peer));
    const isPort = ports === undefined || ports.some((entry) => toNumber(entry.port) === port);
    return isFromThere && isPort;
  });
}

/** Whether a connection gets out of its source's policies and into its target's, as Kubernetes reads them. */
function isOpen(objects: readonly Deployed[], from: Place, to: Place, port: number): boolean {
  const policies = objects
    .filter(({ kind }) => kind === "NetworkPolicy")
    .map(({ spec }) => spec as unknown as Policy);
  const about = (place: Place, type: string): Policy[] =>
    policies.filter(
      ({ podSelector, policyTypes }) =>
        place.namespace === system && has(place, podSelector.matchLabels) && policyTypes.includes(type),
    );
  const name = to.namespace === system ? to.labels?.["app.kubernetes.io/name"] : undefined;
  const target = name === undefined ? undefined : containerOf(objects, name);
  return (
    about(from, "Egress").every(({ egress }) => admits(egress ?? [], to, port)) &&
    about(to, "Ingress").every(({ ingress }) => admits(ingress ?? [], from, port, target))
  );
}

const [activator, aggregator, scaler] = ["activator", "aggregator", "scaler"].map(ours) as [
  Place,
  Place,
  Place,
];
const prometheus: Place = { namespace: "monitoring", labels: { app: "prometheus" } };
const keda: Place = { namespace: "keda", labels: { app: "keda" } };

const needed: readonly (readonly [string, Place, Place, number])[] = [
  ["clients reach the gateway", outside, activator, 8000],
  ["an ingress controller in a pod reaches the gateway", prometheus, activator, 8000],
  ["an app calls another through its Service while that has no pods", app, activator, 8002],
  ["activators send requests to sidecars", activator, app, 8012],
  ["activators send h2c to sidecars", activator, app, 8013],
  ["activators read the feed", activator, scaler, 8004],
  ["activators send stats", activator, aggregator, 8003],
  ["aggregators read the feed", aggregator, scaler, 8004],
  ["aggregators ask sidecars for stats", aggregator, app, 9090],
  ["aggregators follow one another", aggregator, aggregator, 8003],
  ["the scaler reads decisions", scaler, aggregator, 8003],
  ["the scaler asks which pods are busy", scaler, app, 9090],
  ["the scaler calls the Kubernetes API", scaler, outside, 6443],
  ["the API server calls the webhook", outside, scaler, 8443],
  ["KEDA reads decisions", keda, aggregator, 8003],
  ["Prometheus asks activators", prometheus, activator, 8001],
  ["Prometheus asks aggregators", prometheus, aggregator, 8003],
  ["Prometheus asks scalers", prometheus, scaler, 8004],
  ["activators ask DNS", activator, outside, 53],
  ["aggregators ask DNS", aggregator, outside, 53],
];

const needless: readonly (readonly [string, Place, Place, number])[] = [
  ["the outside reads metrics of activators", outside, activator, 8001],
  ["the outside sets Knative's headers", outside, activator, 8002],
  ["the outside reads decisions", outside, aggregator, 8003],
  ["the outside reads the feed", outside, scaler, 8004],
  ["activators call the Kubernetes API", activator, outside, 6443],
  ["activators call the cloud's metadata", activator, outside, 80],
  ["activators drain pods", activator, app, 8022],
  ["activators call any port of apps", activator, app, 8080],
  ["aggregators call the Kubernetes API", aggregator, outside, 443],
  ["aggregators send requests to apps", aggregator, app, 8012],
  ["aggregators call activators", aggregator, activator, 8001],
];

describe.each([
  ["deploy/sluice.yaml", readDeployed()],
  ["kubectl kustomize deploy/tls", hasKubectl ? kustomize("tls") : []],
])("the network policies of %s", (_name, objects) => {
  const isRead = objects.length > 0;

  test.skipIf(!isRead).each(needed)("let through what is needed: %s", (_title, from, to, port) => {
    expect(isOpen(objects, from, to, port)).toBe(true);
  });

  test.skipIf(!isRead).each(needless)("stop what is not: %s", (_title, from, to, port) => {
    expect(isOpen(objects, from, to, port)).toBe(false);
  });
});

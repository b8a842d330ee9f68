import { isJsonObject, type JsonObject } from "./field-reader.ts";
import { names, sidecarContainerName } from "./names.ts";
import type { Findings } from "./problem.ts";

/** Containers that service meshes put beside an app, and whose ports are never the app's. */
const meshContainers: readonly string[] = [
  "istio-proxy",
  "linkerd-proxy",
  "kuma-sidecar",
  "consul-dataplane",
  "cilium-envoy",
  "daprd",
];

/** The port that takes requests, and which container, the sidecar not counted, has it. */
export interface ServingPort {
  readonly container: number;
  readonly appPort: number;
  readonly protocol: "http1" | "h2c";
}

interface Candidate {
  readonly container: number;
  readonly number: number;
  readonly name?: string;
}

function toCandidates(container: JsonObject, index: number): Candidate[] {
  const { ports } = container;
  return (Array.isArray(ports) ? ports.filter(isJsonObject) : []).flatMap((port) => {
    const { containerPort, name, protocol } = port;
    if (typeof containerPort !== "number" || (protocol ?? "TCP") !== "TCP") return [];
    return { container: index, number: containerPort, ...(typeof name === "string" ? { name } : {}) };
  });
}

function choose(
  candidates: readonly Candidate[],
  named: string | undefined,
  findings: Findings,
): Candidate | undefined {
  const field = `metadata.annotations[${names.port}]`;
  const [first, ...others] = candidates.filter(
    ({ name, number }) => named === undefined || named === name || named === String(number),
  );
  if (first === undefined && named !== undefined) {
    findings.refuse(field, "must be the name or number of a container port", named);
  } else if (first === undefined) {
    findings.refuse("spec.template.spec.containers", "must name the port that takes requests under ports");
  } else if (others.length > 0) {
    const rule = "must say which port takes requests, because the pod has several";
    findings.refuse(field, rule, named ?? [first, ...others].map(({ number }) => number));
  }
  return first;
}

/** Finds the port of a plain pod: its only one, or the one that the annotation names. Says so when there is none. */
export function findServingPort(
  podSpec: JsonObject,
  annotations: Readonly<Record<string, string>>,
  findings: Findings,
): ServingPort {
  const { containers } = podSpec;
  const listed = Array.isArray(containers) ? containers.filter(isJsonObject) : [];
  const apps = listed.filter(({ name }) => name !== sidecarContainerName);
  const named = annotations[names.port];
  const candidates = apps.flatMap((container, index) =>
    named === undefined && meshContainers.includes(String(container["name"]))
      ? []
      : toCandidates(container, index),
  );
  const chosen = choose(candidates, named, findings);
  return {
    container: chosen?.container ?? 0,
    appPort: chosen?.number ?? 0,
    protocol: chosen?.name === "h2c" ? "h2c" : "http1",
  };
}

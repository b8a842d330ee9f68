import type { FieldReader, JsonObject } from "./field-reader.ts";
import { parseProbe, parseReadinessProbe, type Probe } from "./probe.ts";
import { reservedPorts, sidecarContainerName } from "./names.ts";

export interface ContainerPort {
  readonly containerPort: number;
  readonly name?: string;
}

export interface Container {
  readonly name: string;
  readonly image: string;
  /** Replaces the image's entry point. */
  readonly command: readonly string[];
  readonly args: readonly string[];
  readonly workingDir?: string;
  /** Plain values only; `valueFrom` stays in `object`. */
  readonly env: readonly { readonly name: string; readonly value: string }[];
  readonly ports: readonly ContainerPort[];
  /** Set on the container that takes requests; others have it only when they say so. */
  readonly readinessProbe?: Probe;
  readonly livenessProbe?: Probe;
  readonly startupProbe?: Probe;
  /** The container as it was written, without what is left out. */
  readonly object: JsonObject;
}

export interface ContainerRules {
  /** Knative's manifests: reserved variables, at most one port, probes with its defaults. */
  readonly isKnative: boolean;
  /** One machine can run a command with plain variables; the rest of a container means something to Kubernetes alone. */
  readonly platform: "local" | "kubernetes";
}

const reservedVariables: readonly string[] = ["PORT", "K_SERVICE", "K_CONFIGURATION", "K_REVISION"];
const onKubernetesOnly = [
  "imagePullPolicy",
  "resources",
  "securityContext",
  "terminationMessagePath",
  "terminationMessagePolicy",
  "volumeMounts",
  "envFrom",
  "lifecycle",
  "restartPolicy",
  "volumeDevices",
  "stdin",
  "stdinOnce",
  "tty",
  "resizePolicy",
] as const;
/** Fields of a plain container that Knative does not take (reference §4.1: `pkg/apis/serving/fieldmask.go`). */
const notInKnative: readonly string[] = [
  "lifecycle",
  "restartPolicy",
  "volumeDevices",
  "stdin",
  "stdinOnce",
  "tty",
  "resizePolicy",
];

function parseEnv(reader: FieldReader, rules: ContainerRules): { name: string; value: string }[] {
  return reader.objects("env").flatMap((entry) => {
    const name = entry.string("name");
    if (name === undefined || name === "") {
      entry.refuse("name", "must be set", name);
      return [];
    }
    if (rules.isKnative && reservedVariables.includes(name)) {
      entry.refuse("name", "is set by the platform and must not be set", name);
    }
    const value = entry.string("value");
    if (entry.raw("valueFrom") !== undefined && rules.platform === "local") {
      entry.warn("valueFrom", "has no meaning on one machine and is ignored; set a value", name);
    }
    return entry.has("valueFrom") ? [] : [{ name, value: value ?? "" }];
  });
}

function parsePort(reader: FieldReader, rules: ContainerRules): ContainerPort | undefined {
  // Knative lets a port say its protocol only; its number is then the default.
  const containerPort =
    reader.integer("containerPort", rules.isKnative ? 0 : 1, 65_535) ?? (rules.isKnative ? 0 : undefined);
  const name = reader.string("name");
  const protocol = reader.string("protocol") ?? "TCP";
  reader.skip("hostPort", "hostIP");
  if (rules.isKnative && protocol !== "TCP") reader.refuse("protocol", "must be TCP", protocol);
  if (rules.isKnative && !["", "http1", "h2c", undefined].includes(name)) {
    reader.refuse("name", "must be http1 or h2c: it says which protocol the app speaks", name);
  }
  if (containerPort === undefined || protocol !== "TCP") return undefined;
  if (reservedPorts.includes(containerPort)) {
    reader.refuse(
      "containerPort",
      `is taken by the sidecar; choose another than ${reservedPorts.join(", ")}`,
      containerPort,
    );
  }
  return name === undefined || name === "" ? { containerPort } : { containerPort, name };
}

function omit(object: JsonObject, fields: readonly string[]): JsonObject {
  return Object.fromEntries(Object.entries(object).filter(([name]) => !fields.includes(name)));
}

/** Says what has no effect; returns the names of the fields that are left out everywhere. */
function warnUnsupported(reader: FieldReader, rules: ContainerRules): readonly string[] {
  for (const name of onKubernetesOnly) {
    if (!reader.has(name)) continue;
    if (rules.isKnative && notInKnative.includes(name)) {
      reader.warn(name, "is not a field that Knative takes and is left out");
    } else if (rules.platform === "local") {
      reader.warn(name, "has no meaning on one machine and is ignored");
    }
  }
  reader.skip(...onKubernetesOnly);
  reader.warnUnread("is not a known field of a container and is left out");
  return rules.isKnative ? [...reader.unread(), ...notInKnative] : [];
}

/** `takesRequests`: the container with the port, whose readiness counts. */
export function parseContainer(
  reader: FieldReader,
  rules: ContainerRules,
  takesRequests: boolean,
  object: JsonObject,
): Container {
  const image = reader.string("image") ?? "";
  if (image === "") reader.refuse("image", "must be set", image);
  const name = reader.string("name") ?? "";
  if (name === sidecarContainerName && rules.isKnative) {
    reader.refuse("name", "is the sidecar's name; choose another", name);
  }
  const workingDir = reader.string("workingDir");
  const readinessProbe =
    takesRequests && rules.isKnative ? parseReadinessProbe(reader) : parseProbe(reader, "readinessProbe");
  const livenessProbe = parseProbe(reader, "livenessProbe");
  const startupProbe = parseProbe(reader, "startupProbe");
  const container: Omit<Container, "object"> = {
    name,
    image,
    command: reader.strings("command"),
    args: reader.strings("args"),
    ...(workingDir === undefined ? {} : { workingDir }),
    env: parseEnv(reader, rules),
    ports: reader.objects("ports").flatMap((port) => parsePort(port, rules) ?? []),
    ...(readinessProbe === undefined ? {} : { readinessProbe }),
    ...(livenessProbe === undefined ? {} : { livenessProbe }),
    ...(startupProbe === undefined ? {} : { startupProbe }),
  };
  const leftOut = warnUnsupported(reader, rules);
  return { ...container, object: leftOut.length === 0 ? object : omit(object, leftOut) };
}

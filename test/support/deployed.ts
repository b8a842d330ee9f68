import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseAllDocuments } from "yaml";

const deploy = join(import.meta.dirname, "..", "..", "deploy");

export interface EnvironmentEntry {
  name: string;
  value?: string;
  valueFrom?: {
    fieldRef?: { fieldPath: string };
    configMapKeyRef?: { name: string; key: string };
  };
}

export interface DeployedProbe {
  httpGet: {
    path?: string;
    port: string | number;
    scheme?: string;
    httpHeaders?: { name: string; value: string }[];
  };
}

export interface DeployedContainer {
  name: string;
  image: string;
  args: string[];
  env: EnvironmentEntry[];
  ports: { name: string; containerPort: number }[];
  readinessProbe: DeployedProbe;
  livenessProbe: DeployedProbe;
  resources: { requests: Record<string, string>; limits: Record<string, string> };
  securityContext: Record<string, unknown>;
  volumeMounts: { name: string; mountPath: string; readOnly?: boolean }[];
}

export interface DeployedPod {
  serviceAccountName: string;
  automountServiceAccountToken: boolean;
  securityContext: Record<string, unknown>;
  containers: DeployedContainer[];
  volumes: {
    name: string;
    secret?: { secretName: string; items?: { key: string; path: string }[] };
    configMap?: { name: string };
  }[];
}

export interface Deployed {
  [field: string]: unknown;
  kind: string;
  metadata: { name: string; namespace?: string; labels?: Record<string, string> };
  spec?: { template?: { metadata: { labels: Record<string, string> }; spec: DeployedPod } } & Record<
    string,
    unknown
  >;
  data?: Record<string, string>;
}

export function parseDeployed(text: string): Deployed[] {
  return parseAllDocuments(text).map((document) => document.toJS() as Deployed);
}

/** `deploy/sluice.yaml`, what `sluice install` prints but for the token. */
export function readDeployed(): Deployed[] {
  return parseDeployed(readFileSync(join(deploy, "sluice.yaml"), "utf8"));
}

export const hasKubectl = spawnSync("kubectl", ["version", "--client"]).status === 0;

/** What `kubectl kustomize deploy/{folder}` prints. */
export function kustomize(folder: string): Deployed[] {
  const run = spawnSync("kubectl", ["kustomize", join(deploy, folder)], { encoding: "utf8" });
  if (run.status !== 0) throw new Error(`kubectl kustomize ${folder}: ${run.stderr}`);
  return parseDeployed(run.stdout);
}

export function podOf(object: Deployed): DeployedPod {
  const pod = object.spec?.template?.spec;
  if (pod === undefined) throw new Error(`${object.metadata.name} has no pods`);
  return pod;
}

/** The pods of the Deployment `sluice-{service}`. */
export function podOfService(objects: readonly Deployed[], service: string): DeployedPod {
  const found = objects.find(
    ({ kind, metadata }) => kind === "Deployment" && metadata.name === `sluice-${service}`,
  );
  if (found === undefined) throw new Error(`there is no Deployment sluice-${service}`);
  return podOf(found);
}

/** Their only container. */
export function containerOf(objects: readonly Deployed[], service: string): DeployedContainer {
  const [container] = podOfService(objects, service).containers;
  if (container === undefined) throw new Error(`sluice-${service} has no container`);
  return container;
}

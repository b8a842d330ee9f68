import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { request, type IncomingHttpHeaders } from "node:http";
import { request as requestSecurely } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { MountedCertificate } from "./certificate.ts";
import {
  hasKubectl,
  kustomize,
  parseDeployed,
  podOf,
  type Deployed,
  type DeployedContainer,
  type DeployedPod,
} from "./deployed.ts";
import { FakeKubernetes, type FakeObject } from "./fake-kubernetes.ts";
import { assembleImage, environmentOf } from "./image-folder.ts";
import { runSluice } from "./run-sluice.ts";
import { paths, toReplicaSet } from "./scaler-harness.ts";
import { makeMountPoints, SimulatedContainer, type Mount } from "./simulated-pod.ts";
import { waitUntil } from "./wait-until.ts";

/**
 * A cluster without one, for a network namespace of its own (`unshare -n`), as root: what `sluice install` prints runs as a kubelet
 * would run it, from the files of the image, with its volumes, variables, arguments, user and probes; the API server is the one in
 * memory. Prints one line of JSON: what was seen.
 */
const root = join(import.meta.dirname, "..", "..");
const isSecure = process.argv[2] === "tls";
const system = "sluice-system";
const host = "hello.default.example.com";
const accountPath = "/var/run/secrets/kubernetes.io/serviceaccount";
/** What an operator may write into the ConfigMap; so that going to zero takes no half minute. */
const inAHurry = { "scale-to-zero-grace-period": "1s" };
const places = [accountPath, "/var/run/sluice/token", "/var/run/sluice/tls", "/etc/sluice/autoscaler"];
const folder = mkdtempSync(join(tmpdir(), "sluice-cluster-"));
const image = join(folder, "image");
const addresses = { scaler: "10.77.0.1", aggregator: "10.77.0.2", activator: "10.77.0.3", app: "10.77.0.4" };
const containers: SimulatedContainer[] = [];
const apps: ChildProcess[] = [];

function run(command: string, ...args: string[]): void {
  execFileSync(command, args, { stdio: ["ignore", "ignore", "inherit"] });
}

function makeFolder(name: string, files: Readonly<Record<string, string>>): string {
  const path = join(folder, name);
  mkdirSync(path, { recursive: true });
  for (const [file, content] of Object.entries(files)) writeFileSync(join(path, file), content);
  return path;
}

/** Without `trust` any certificate will do, as for a kubelet's probes. */
function get(
  url: string,
  headers: Readonly<Record<string, string>> = {},
  body?: string,
  trust: { readonly ca?: string; readonly servername?: string } = {},
): Promise<{ status: number; body: string; headers: IncomingHttpHeaders }> {
  return new Promise((resolve, reject) => {
    const ask = url.startsWith("https:") ? requestSecurely : request;
    const method = body === undefined ? "GET" : "POST";
    const rejectUnauthorized = trust.ca !== undefined;
    const sent = ask(url, { headers, method, agent: false, rejectUnauthorized, ...trust }, (response) => {
      text(response).then(
        (answer) => resolve({ status: response.statusCode ?? 0, body: answer, headers: response.headers }),
        reject,
      );
    });
    sent.on("error", reject);
    sent.end(body);
  });
}

async function isAnswered(url: string, headers: Readonly<Record<string, string>> = {}): Promise<boolean> {
  try {
    return (await get(url, headers)).status === 200;
  } catch {
    // Nothing listens yet.
    return false;
  }
}

async function readInstallation(): Promise<Deployed[]> {
  const { stdout } = await runSluice(["install"]);
  const installed = parseDeployed(stdout);
  if (!isSecure) return installed;
  if (!hasKubectl) throw new Error("kubectl is not installed");
  return [...kustomize("tls"), ...installed.filter(({ metadata }) => metadata.name === "sluice-token")];
}

const objects = await readInstallation();

function find(kind: string, name: string): Deployed {
  const found = objects.find((object) => object.kind === kind && object.metadata.name === name);
  if (found === undefined) throw new Error(`there is no ${kind} ${name}`);
  return found;
}

/** Where a kubelet would take a variable from. */
function toEnvironment(
  container: DeployedContainer,
  facts: Readonly<Record<string, string>>,
): Record<string, string> {
  return Object.fromEntries(
    container.env.map(({ name, value, valueFrom }) => {
      const field = valueFrom?.fieldRef?.fieldPath;
      const key = valueFrom?.configMapKeyRef;
      const stored = key && find("ConfigMap", key.name).data?.[key.key];
      return [name, value ?? (field === undefined ? stored : facts[field]) ?? ""];
    }),
  );
}

function toMounts(pod: DeployedPod, folders: ReadonlyMap<string, string>): Mount[] {
  const mounts = (pod.containers[0]?.volumeMounts ?? []).map(({ name, mountPath }) => {
    const volume = pod.volumes.find((entry) => entry.name === name);
    const source = folders.get(volume?.secret?.secretName ?? volume?.configMap?.name ?? "");
    if (source === undefined) throw new Error(`volume ${name} has no source`);
    return { path: mountPath, source };
  });
  const account = folders.get("account") ?? "";
  return pod.automountServiceAccountToken ? [...mounts, { path: accountPath, source: account }] : mounts;
}

function start(
  container: DeployedContainer,
  mounts: readonly Mount[],
  environment: Readonly<Record<string, string>>,
): SimulatedContainer {
  const started = new SimulatedContainer({
    image,
    args: container.args,
    environment: { ...environmentOf("sluice"), ...environment },
    mounts,
  });
  containers.push(started);
  return started;
}

/** Waits as a kubelet does, and gives up when the process has ended. */
async function waitUntilReady(
  container: DeployedContainer,
  address: string,
  started: SimulatedContainer,
): Promise<void> {
  const { path = "/", port, scheme = "HTTP", httpHeaders = [] } = container.readinessProbe.httpGet;
  const number =
    typeof port === "number" ? port : container.ports.find(({ name }) => name === port)?.containerPort;
  const headers = Object.fromEntries(httpHeaders.map(({ name, value }) => [name, value]));
  await waitUntil(`${container.name} to be ready`, () => {
    if (started.hasEnded) throw new Error(`${container.name} ended: ${started.output}`);
    return isAnswered(`${scheme.toLowerCase()}://${address}:${number}${path}`, headers);
  });
}

const api = await (async () => {
  run("ip", "link", "set", "lo", "up");
  for (const address of Object.values(addresses)) run("ip", "address", "add", `${address}/32`, "dev", "lo");
  const certificate = new MountedCertificate("127.0.0.1");
  const read = (name: string): Buffer => readFileSync(join(certificate.folder, name));
  const server = new FakeKubernetes({ key: read("tls.key"), cert: read("tls.crt") });
  await server.start();
  makeFolder("account", { token: "t", namespace: system, "ca.crt": read("ca.crt").toString() });
  certificate[Symbol.dispose]();
  return server;
})();

function makeCertificates(): Map<string, string> {
  const made = objects
    .filter(({ kind, spec }) => kind === "Certificate" && spec?.["isCA"] !== true)
    .map(({ spec }) => {
      const { secretName, dnsNames } = spec as unknown as { secretName: string; dnsNames: string[] };
      return [secretName, new MountedCertificate(...dnsNames)] as const;
    });
  const authorities = made
    .map(([, { folder: path }]) => readFileSync(join(path, "tls.crt"), "utf8"))
    .join("");
  return new Map(
    made.map(([name, certificate]) => {
      const read = (file: string): string => readFileSync(join(certificate.folder, file), "utf8");
      const files = { "tls.crt": read("tls.crt"), "tls.key": read("tls.key"), "ca.crt": authorities };
      certificate[Symbol.dispose]();
      const path = makeFolder(name, files);
      for (const file of Object.keys(files)) chmodSync(join(path, file), 0o644);
      return [name, path];
    }),
  );
}

const token = (find("Secret", "sluice-token")["stringData"] as { token: string }).token;
const folders = new Map([
  ["account", join(folder, "account")],
  ["sluice-token", makeFolder("token", { token })],
  [
    "config-autoscaler",
    makeFolder("config", { ...find("ConfigMap", "config-autoscaler").data, ...inAHurry }),
  ],
  ...makeCertificates(),
]);

async function startMember(service: "scaler" | "aggregator" | "activator"): Promise<void> {
  const deployment = find("Deployment", `sluice-${service}`);
  const pod = podOf(deployment);
  const [container] = pod.containers;
  if (container === undefined) throw new Error(`${service} has no container`);
  const name = `sluice-${service}-0`;
  const facts = { "metadata.name": name, "metadata.namespace": system, "status.podIP": addresses[service] };
  const environment = {
    ...toEnvironment(container, facts),
    ...(pod.automountServiceAccountToken
      ? { KUBERNETES_SERVICE_HOST: "127.0.0.1", KUBERNETES_SERVICE_PORT: new URL(api.url).port }
      : {}),
  };
  const started = start(container, toMounts(pod, folders), environment);
  if (service !== "activator") await waitUntilReady(container, addresses[service], started);
  const labels = deployment.spec?.template?.metadata.labels;
  api.put(paths.pods, {
    metadata: { name, namespace: system, labels },
    spec: { containers: [{ ...container }] },
    status: { podIP: addresses[service], conditions: [{ type: "Ready", status: "True" }] },
  });
  if (service === "activator") await waitUntilReady(container, addresses[service], started);
}

const manifest = `apiVersion: apps/v1
kind: Deployment
metadata:
  name: hello
  annotations:
    sluice.dev/enabled: "true"
    autoscaling.knative.dev/initial-scale: "0"
    autoscaling.knative.dev/window: 6s
spec:
  selector: {matchLabels: {app: hello}}
  template:
    metadata: {labels: {app: hello}}
    spec:
      containers:
        - name: hello
          image: hello
          ports: [{containerPort: 8080}]
          readinessProbe: {httpGet: {path: /, port: 8080}}
`;

async function inject(): Promise<Deployed> {
  const file = join(folder, "hello.yaml");
  writeFileSync(file, manifest);
  const { stdout, stderr } = await runSluice(["inject", "-f", file]);
  const [injected] = parseDeployed(stdout);
  if (injected === undefined) throw new Error(stderr);
  return injected;
}

/** What kubelet does with the first pod of the Deployment. */
async function startApp(injected: Deployed): Promise<void> {
  const sidecar = podOf(injected).containers.find(({ name }) => name === "queue-proxy");
  if (sidecar === undefined) throw new Error("there is no sidecar");
  apps.push(
    spawn(process.execPath, [join(root, "examples", "apps", "simple-app.mjs")], {
      env: { PORT: "8080", SIMPLE_MSG: "from a pod" },
      stdio: "ignore",
    }),
  );
  const facts = {
    "metadata.name": "hello-1",
    "metadata.namespace": "default",
    "status.podIP": addresses.app,
  };
  const pod: FakeObject = {
    metadata: {
      name: "hello-1",
      namespace: "default",
      labels: injected.spec?.template?.metadata.labels,
      ownerReferences: [{ kind: "ReplicaSet", name: "hello-abc12", uid: "set-hello", controller: true }],
    },
    spec: { containers: podOf(injected).containers },
    status: { podIP: addresses.app },
  };
  const started = start(sidecar, [], toEnvironment(sidecar, facts));
  api.put(paths.pods, pod);
  await waitUntilReady(sidecar, addresses.app, started);
  const conditions = [{ type: "Ready", status: "True" }];
  api.put(paths.pods, { ...pod, status: { podIP: addresses.app, conditions } });
}

/** The recorded pod of a ReplicaSet, asking for the sidecar, to the webhook as the API server calls it. */
async function askWebhook(): Promise<unknown> {
  const authority = await waitUntil("the webhook's authority", () => {
    const [webhook] = (api.get(paths.webhooks, "", "sluice-webhook")?.["webhooks"] ?? []) as {
      clientConfig: { caBundle?: string };
    }[];
    return webhook?.clientConfig.caBundle;
  });
  const review = {
    apiVersion: "admission.k8s.io/v1",
    kind: "AdmissionReview",
    request: {
      uid: "u",
      namespace: "default",
      object: {
        metadata: {
          labels: { "sluice.dev/inject": "true", "pod-template-hash": "abc" },
          ownerReferences: [{ kind: "ReplicaSet", name: "other-abc", controller: true }],
        },
        spec: { containers: [{ name: "a", image: "a", ports: [{ containerPort: 80 }] }] },
      },
    },
  };
  const url = `https://${addresses.scaler}:8443/mutate`;
  const ca = Buffer.from(authority, "base64").toString();
  const answer = await get(url, {}, JSON.stringify(review), {
    ca,
    servername: `sluice-webhook.${system}.svc`,
  });
  const { response } = JSON.parse(answer.body) as { response: { patch: string } };
  return JSON.parse(Buffer.from(response.patch, "base64").toString());
}

async function play(): Promise<unknown> {
  assembleImage("sluice", image);
  const services = ["scaler", "aggregator"] as const;
  const names = services.map((name) => `${addresses[name]} sluice-${name}.${system}.svc\n`).join("");
  makeMountPoints(image, places, names);
  for (const { kind, metadata, ...rest } of objects) {
    if (kind === "MutatingWebhookConfiguration") api.put(paths.webhooks, { metadata, ...rest });
    if (kind === "Secret" && metadata.name === "sluice-webhook")
      api.put(paths.secrets, { metadata, ...rest });
  }
  const injected = await inject();
  api.put(paths.deployments, {
    ...injected,
    metadata: { ...injected.metadata, namespace: "default", uid: "deployment-hello" },
    spec: { ...injected.spec, replicas: 0 },
  });
  api.put(paths.replicaSets, toReplicaSet("hello"));
  for (const service of ["scaler", "aggregator", "activator"] as const) await startMember(service);
  const scheme = isSecure ? "https" : "http";
  const withoutToken = await get(`${scheme}://${addresses.scaler}:8004/v1/feed`);
  const answered = get(`http://${addresses.activator}:8000/`, { host });
  const replicas = (): unknown => api.get(paths.deployments, "default", "hello")?.spec?.["replicas"];
  await waitUntil("a replica", () => replicas() === 1);
  await startApp(injected);
  const answer = await answered;
  const patch = await askWebhook();
  const rights = containers.map((container) => container.readRights());
  await waitUntil("zero replicas", () => replicas() === 0, 90_000);
  return {
    feedWithoutToken: withoutToken.status,
    status: answer.status,
    body: answer.body,
    rights,
    patch,
  };
}

try {
  process.stdout.write(`${JSON.stringify(await play())}\n`);
} catch (error) {
  const outputs = containers.map(({ output }) => output).join("\n");
  process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n${outputs}\n`);
  process.exitCode = 1;
} finally {
  for (const app of apps) app.kill("SIGKILL");
  await Promise.all(containers.map((container) => container.kill()));
  await api.stop();
  rmSync(folder, { recursive: true });
}

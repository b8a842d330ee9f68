import { activatorSettings, startActivator } from "@sluice/activator";
import { readAggregatorSettings, startAggregator } from "@sluice/aggregator";
import { systemClock } from "@sluice/core";
import { createLogger, listen, parseSettings, runStopStages, type Stage } from "@sluice/kit";
import { readScalerSettings, startScaler } from "@sluice/scaler";
import { sidecarSettings, startSidecar } from "@sluice/sidecar";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { connect, createServer as createTcpServer, type Server as TcpServer, type Socket } from "node:net";
import { networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { FakeKubernetes } from "../support/fake-kubernetes.ts";
import { sendRequest } from "../support/http-request.ts";
import { paths, toActivator, toDeployment, toPod, toReplicaSet } from "../support/scaler-harness.ts";
import { waitUntil } from "../support/wait-until.ts";

/** Loopback is refused as a pod's address, so pods are on an address of this machine's network. */
const own = Object.values(networkInterfaces())
  .flat()
  .find(
    (entry) => entry?.family === "IPv4" && !entry.internal && !entry.address.startsWith("169.254."),
  )?.address;

const log = createLogger({ name: "test", level: "silent" });
const host = "hello.default.example.com";
let api: FakeKubernetes;
let folder = "";
let app: Server;
const stops: (readonly Stage[])[] = [];

async function findFreePort(): Promise<number> {
  const server = createServer();
  const { port } = await listen(server, 0, "0.0.0.0");
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** A member's pod, with the ports that it really has. */
function toMember(name: string, ports: Readonly<Record<string, number>>): ReturnType<typeof toActivator> {
  const component = name.replace(/-\d+$/, "");
  const pod = toActivator(name, own ?? "");
  const labels = { ...(pod.metadata["labels"] as object), "app.kubernetes.io/component": component };
  const named = Object.entries(ports).map(([name, containerPort]) => ({ name, containerPort }));
  return {
    ...pod,
    metadata: { ...pod.metadata, labels },
    spec: { containers: [{ name: component, ports: named }] },
  };
}

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "sluice-loop-"));
  writeFileSync(join(folder, "token"), "shared\n");
  const config = {
    "scale-to-zero-grace-period": "1s",
    "initial-scale": "0",
    "allow-zero-initial-scale": "true",
  };
  for (const [key, value] of Object.entries(config)) writeFileSync(join(folder, key), value);
  api = new FakeKubernetes();
  await api.start();
  app = createServer((_request, response) => response.end("hello from the pod\n"));
});

afterEach(async () => {
  for (const stages of stops.toReversed()) await runStopStages(stages, { log, clock: systemClock });
  app.close();
  await api.stop();
  rmSync(folder, { recursive: true });
});

/** What kubelet does when a Deployment gets its first pod: the app and its sidecar run, and the pod has an address. */
async function startPod(): Promise<void> {
  const { port: appPort } = await listen(app, 0, "127.0.0.1");
  const environment = {
    CONTAINER_CONCURRENCY: "0",
    QUEUE_SERVING_PORT: "0",
    QUEUE_SERVING_TLS_PORT: "0",
    USER_PORT: String(appPort),
    REVISION_TIMEOUT_SECONDS: "300",
    SERVING_LOGGING_CONFIG: "",
    SERVING_LOGGING_LEVEL: "fatal",
    SERVING_NAMESPACE: "default",
    SERVING_SERVICE: "hello",
    SERVING_CONFIGURATION: "hello",
    SERVING_REVISION: "hello",
    SERVING_POD: "hello-1",
    SERVING_POD_IP: own ?? "",
    SERVING_READINESS_PROBE: JSON.stringify({ tcpSocket: { host: "127.0.0.1", port: appPort } }),
    SLUICE_BIND_ADDRESS: "0.0.0.0",
    SLUICE_ADMIN_PORT: "0",
    SLUICE_STATS_PORT: "0",
    SLUICE_METRICS_PORT: "0",
    SLUICE_QUIET_PERIOD: "0s",
  };
  const sidecar = await startSidecar(parseSettings(sidecarSettings, { environment }));
  stops.push(sidecar.stop);
  const pod = toPod("hello", "hello-1", { address: own ?? "" });
  const named = {
    "queue-port": sidecar.ports.main,
    "queue-admin": sidecar.ports.admin,
    "http-autometric": sidecar.ports.stats,
    "http-usermetric": 9091,
  };
  const ports = Object.entries(named).map(([name, containerPort]) => ({ name, containerPort }));
  api.put(paths.pods, { ...pod, spec: { containers: [{ name: "queue-proxy", ports }] } });
}

/** What a Service is to its clients: one address, each connection to one of those that answer. */
function startService(ports: readonly number[]): TcpServer {
  const lead = (client: Socket, [port, ...others]: readonly number[]): void => {
    if (port === undefined) {
      client.destroy();
      return;
    }
    const member = connect(port, own);
    member.once("error", () => lead(client, others));
    member.once("connect", () => {
      member.removeAllListeners("error").on("error", () => client.destroy());
      member.on("close", () => client.destroy());
      client.on("close", () => member.destroy());
      client.pipe(member).pipe(client);
    });
  };
  return createTcpServer((client) => {
    client.on("error", () => client.destroy());
    lead(client, ports);
  });
}

interface Aggregator {
  readonly name: string;
  readonly port: number;
  readonly stop: readonly Stage[];
}

async function startMember(name: string, feed: string): Promise<Aggregator> {
  const port = await findFreePort();
  const { stop } = await startAggregator({
    settings: readAggregatorSettings({
      environment: {
        ...common(),
        POD_NAME: name,
        SLUICE_FEED: feed,
        SLUICE_PORT: String(port),
        SLUICE_AUTOSCALER_CONFIG: folder,
      },
    }),
    clock: systemClock,
    random: Math.random,
    log,
  });
  api.put(paths.pods, toMember(name, { http: port }));
  return { name, port, stop };
}

function common(): Record<string, string> {
  return { SLUICE_TOKEN_FILE: join(folder, "token"), SLUICE_BIND_ADDRESS: own ?? "" };
}

async function startGateway(feed: string): Promise<{ publicPort: number; adminPort: number }> {
  const activator = await startActivator({
    settings: parseSettings(activatorSettings, {
      environment: {
        ...common(),
        POD_NAME: "activator-0",
        SLUICE_FEED: feed,
        SLUICE_BIND_ADDRESS: "0.0.0.0",
        SLUICE_PUBLIC_PORT: "0",
        SLUICE_INTERNAL_PORT: "0",
        SLUICE_ADMIN_PORT: "0",
      },
    }),
    log,
  });
  stops.push(activator.stop);
  const { publicPort, internalPort, adminPort } = activator;
  api.put(
    paths.pods,
    toMember("activator-0", { public: publicPort, internal: internalPort, admin: adminPort }),
  );
  return activator;
}

test("a request at zero pods scales a Deployment from zero, is answered by its pod, and leaves zero behind, although the aggregator that decided dies", async ({
  skip,
}) => {
  skip(own === undefined, "this machine has no address but loopback, which no pod may have");
  const annotations = { "autoscaling.knative.dev/window": "6s", "autoscaling.knative.dev/target": "10" };
  api.put(paths.deployments, toDeployment("hello", { metadata: { name: "hello", annotations } }));
  api.put(paths.replicaSets, toReplicaSet("hello"));
  const [scalerPort, servicePort] = [await findFreePort(), await findFreePort()];
  const feed = `http://${own}:${scalerPort}/v1/feed`;
  const scaleEndpoint = `http://${own}:${servicePort}/v1/scale`;
  const scaler = await startScaler({
    settings: readScalerSettings({
      environment: { ...common(), SLUICE_PORT: String(scalerPort), SLUICE_SCALE_ENDPOINT: scaleEndpoint },
    }),
    config: api.toConfig(),
    clock: systemClock,
    log,
  });
  stops.push(scaler.stop);
  const aggregators = await Promise.all(
    ["aggregator-0", "aggregator-1"].map((name) => startMember(name, feed)),
  );
  const service = startService(aggregators.map(({ port }) => port)).listen(servicePort, own);
  stops.push([{ name: "service", timeoutMs: 1000, run: () => void service.close() }]);
  const activator = await startGateway(feed);
  const isZero = (): boolean => api.get(paths.deployments, "default", "hello")?.spec?.["replicas"] === 0;
  // Without the token nobody learns anything.
  expect((await fetch(feed)).status).toBe(401);
  await waitUntil(
    "the activator to know the feed",
    async () => (await sendRequest(activator.adminPort, "/readyz")).status === 200,
  );
  expect(isZero()).toBe(true);
  const answered = sendRequest(activator.publicPort, "/", { headers: { host } });
  await waitUntil(
    "a replica",
    () => api.get(paths.deployments, "default", "hello")?.spec?.["replicas"] === 1,
  );
  await startPod();
  expect(await answered).toMatchObject({ status: 200, body: "hello from the pod\n" });
  api.put(paths.pods, {
    ...(api.get(paths.pods, "default", "hello-1") ?? { metadata: { name: "hello-1" } }),
    status: { podIP: own, conditions: [{ type: "Ready", status: "True" }] },
  });
  const ownerOf = async (): Promise<unknown> => {
    const answer = await fetch(`${scaleEndpoint}/default/hello`, {
      headers: { authorization: "Bearer shared" },
    });
    return answer.status === 200 && ((await answer.json()) as { owner: string }).owner;
  };
  const first = await waitUntil("a decision", ownerOf);
  const [owner, heir] = aggregators.toSorted((a) => (a.name === first ? -1 : 1));
  stops.push(heir?.stop ?? []);
  await runStopStages(owner?.stop ?? [], { log, clock: systemClock });
  await waitUntil("zero replicas again", isZero, 60_000);
  expect(await ownerOf()).toBe(heir?.name);
  const writes = api.requests
    .filter((request) => request.path.endsWith("/scale"))
    .map((request) => request.body);
  expect(writes).toEqual([{ spec: { replicas: 1 } }, { spec: { replicas: 0 } }]);
});

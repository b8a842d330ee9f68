import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { findFreePorts } from "../harness/free-port.ts";
import { startProcess, type ProcessOptions, type StartedProcess } from "../harness/started-process.ts";
import { toRunningSubject, type Subject } from "../harness/subject.ts";
import { temporaryFolder } from "../harness/temporary-folder.ts";
import { waitUntilServed } from "../harness/wait-until-served.ts";

const root = join(import.meta.dirname, "..", "..");
/** What the platform and the image pass: a sidecar stands beside every pod, so its young generation is kept small. */
const sidecarFlags: readonly string[] = ["--max-semi-space-size=4"];

/** `npm run bench` makes the bundles first. */
function bundleOf(service: string): string {
  return join(root, "dist", `${service}.mjs`);
}

export function findMissingBundles(...services: readonly string[]): string | undefined {
  const missing = services.filter((service) => !existsSync(bundleOf(service)));
  return missing.length === 0
    ? undefined
    : `dist/${missing.join(".mjs, dist/")}.mjs is missing (npm run bundle)`;
}

export const activatorBundle: string = bundleOf("activator");

interface SidecarPorts {
  readonly main: number;
  readonly stats: number;
  readonly metrics: number;
  readonly admin: number;
}

/** A sidecar as the platform starts it, ready to be asked. */
export async function startSidecar(
  limit: number,
  upstreamPort: number,
): Promise<{ child: StartedProcess; ports: SidecarPorts }> {
  const [main = 0, stats = 0, metrics = 0, admin = 0] = await findFreePorts(4);
  const ports = { main, stats, metrics, admin };
  const child = startProcess(toSidecarProcess(limit, upstreamPort, ports));
  // The kubelet's question: the app may speak what a plain request does not.
  const headers = { "user-agent": "kube-probe/1", "k-network-probe": "queue" };
  await waitUntilServed(`http://127.0.0.1:${main}/`, child, { headers });
  return { child, ports };
}

/** Everything on: limit, time limits, metrics, stats. */
export function toSidecarProcess(limit: number, upstreamPort: number, ports: SidecarPorts): ProcessOptions {
  return {
    command: process.execPath,
    args: [...sidecarFlags, bundleOf("sidecar")],
    environment: {
      CONTAINER_CONCURRENCY: String(limit),
      QUEUE_SERVING_PORT: String(ports.main),
      QUEUE_SERVING_TLS_PORT: "0",
      USER_PORT: String(upstreamPort),
      REVISION_TIMEOUT_SECONDS: "300",
      REVISION_RESPONSE_START_TIMEOUT_SECONDS: "300",
      REVISION_IDLE_TIMEOUT_SECONDS: "300",
      SERVING_LOGGING_CONFIG: "",
      SERVING_LOGGING_LEVEL: "error",
      SERVING_NAMESPACE: "default",
      SERVING_CONFIGURATION: "bench",
      SERVING_REVISION: "bench-00001",
      SERVING_SERVICE: "bench",
      SERVING_POD: "bench-00001-pod",
      SERVING_POD_IP: "127.0.0.1",
      SERVING_READINESS_PROBE: `{"tcpSocket":{"port":${upstreamPort}}}`,
      SLUICE_BIND_ADDRESS: "127.0.0.1",
      SLUICE_STATS_PORT: String(ports.stats),
      SLUICE_METRICS_PORT: String(ports.metrics),
      SLUICE_ADMIN_PORT: String(ports.admin),
      SLUICE_QUIET_PERIOD: "0s",
    },
  };
}

function createSidecarSubject(name: string, limit: number): Subject {
  return {
    name,
    findMissing: () => findMissingBundles("sidecar"),
    async start(upstreamPort) {
      const { child, ports } = await startSidecar(limit, upstreamPort);
      return toRunningSubject(name, `http://127.0.0.1:${ports.main}`, child);
    },
  };
}

export const sidecarUnlimited = createSidecarSubject("sidecar, no limit", 0);
export const sidecarLimited = createSidecarSubject("sidecar, limit 10", 10);

const chainHost = "bench.default.example.com";

type Protocol = "http1" | "h2c";

/** Activator and sidecar, both with everything on; a file in place of the platform's feed. */
function createChain(protocol: Protocol): Subject {
  return {
    name: "activator + sidecar, limit 10",
    findMissing: () => findMissingBundles("activator", "sidecar"),
    async start(upstreamPort) {
      const sidecar = await startSidecar(10, upstreamPort);
      try {
        const activator = await startActivator(sidecar.ports, protocol);
        return {
          url: activator.url,
          host: chainHost,
          processes: { activator: activator.child, sidecar: sidecar.child },
          stop: async () => void (await Promise.all([activator.child.stop(), sidecar.child.stop()])),
        };
      } catch (error) {
        await sidecar.child.stop();
        throw error;
      }
    },
  };
}

export const chain: Subject = createChain("http1");
export const h2cChain: Subject = createChain("h2c");

/** The activator before the upstream itself, which passes for a pod: it answers the probe as a sidecar does. */
export const activatorAlone: Subject = {
  name: "activator alone, limit 10",
  findMissing: () => findMissingBundles("activator"),
  async start(upstreamPort) {
    const ports = { main: upstreamPort, stats: 1, metrics: 1, admin: 1 };
    const { child, url } = await startActivator(ports, "http1");
    return { ...toRunningSubject("activator", url, child), host: chainHost };
  },
};

async function startActivator(
  podPorts: SidecarPorts,
  protocol: Protocol,
): Promise<{ child: StartedProcess; url: string }> {
  const [publicPort = 0, internalPort = 0, adminPort = 0] = await findFreePorts(3);
  const feed = join(temporaryFolder(), "feed.yaml");
  // JSON is YAML.
  writeFileSync(feed, JSON.stringify(toFeed(podPorts, protocol)));
  const child = startProcess({
    command: process.execPath,
    args: [bundleOf("activator")],
    environment: {
      POD_NAME: "activator-0",
      POD_IP: "127.0.0.1",
      SLUICE_FEED: feed,
      SLUICE_BIND_ADDRESS: "127.0.0.1",
      SLUICE_PUBLIC_PORT: String(publicPort),
      SLUICE_INTERNAL_PORT: String(internalPort),
      SLUICE_ADMIN_PORT: String(adminPort),
    },
  });
  const url = `http://127.0.0.1:${publicPort}`;
  await waitUntilServed(`${url}/`, child, { host: chainHost, isHttp2: protocol === "h2c" });
  return { child, url };
}

function toFeed(podPorts: SidecarPorts, protocol: Protocol): readonly unknown[] {
  return [...toBenchFeed([], 10, protocol), toPod(0, podPorts)];
}

/** One service with one revision; `ports` are the main ports of its pods on this machine. */
export function toBenchFeed(
  ports: readonly number[],
  containerConcurrency: number,
  protocol: Protocol = "http1",
): readonly unknown[] {
  const now = new Date().toISOString();
  return [
    {
      kind: "service",
      namespace,
      name: "bench",
      hosts: [{ host: chainHost, visibility: "public" }],
      traffic: [{ revision, percent: 100 }],
    },
    {
      kind: "revision",
      namespace,
      name: revision,
      service: "bench",
      containerConcurrency,
      protocol,
      timeouts: { request: 300, responseStart: 0, idle: 0 },
      annotations: {},
      readiness: { probe: "tcp", hasStartupProbe: false },
      reachable: true,
      createdAt: now,
      applied: { replicas: 1, mode: "proxy", modeSince: now },
    },
    ...ports.map((main, index) => toPod(index, { main, stats: 1, metrics: 1, admin: 1 })),
  ];
}

const namespace = "default";
const revision = "bench-00001";

function toPod(index: number, ports: SidecarPorts): unknown {
  return {
    kind: "pod",
    namespace,
    revision,
    name: `${revision}-${index}`,
    address: "127.0.0.1",
    ports,
    ready: true,
    terminating: false,
    startedAt: new Date().toISOString(),
  };
}

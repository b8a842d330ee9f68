import { accessSync, constants, mkdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { dirname, join } from "node:path";
import { systemClock, type FeedObject } from "@sluice/core";
import { createLogger, StartError, WatchHub } from "@sluice/kit";
import { AddressBook } from "./address-book.ts";
import { AppPorts } from "./app-ports.ts";
import { Catalog } from "./catalog.ts";
import { toControlRoutes } from "./control-routes.ts";
import { claimSocket, ControlServer } from "./control-server.ts";
import { createHubFeed } from "./hub-feed.ts";
import type { ImageCommand } from "./image-command.ts";
import { createExecutableFinder } from "./launch-plan.ts";
import { LogRing } from "./log-ring.ts";
import { Member, type MemberSpec } from "./member.ts";
import type { PlatformSettings } from "./platform-settings.ts";
import { Platform } from "./platform.ts";
import { probeSidecar } from "./readiness-probe.ts";
import { prepareRuntimeFolder, toRuntimeFolder, toSocketPath } from "./runtime-folder.ts";
import { findServiceProgram } from "./service-program.ts";
import { SidecarSource } from "./sidecar-source.ts";
import type { StatusView } from "./view.ts";

export interface PlatformOptions {
  readonly settings: PlatformSettings;
  /** The project's folder: where our own services are. */
  readonly root: string;
  readonly images: readonly ImageCommand[];
  /** Keys of Knative's `config-autoscaler`. */
  readonly autoscaler: Readonly<Record<string, string>>;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Something that a person at the terminal wants to know. */
  readonly onNotice: (text: string) => void;
  /** Anything that `get` shows has changed. */
  readonly onChange: () => void;
}

const host = "127.0.0.1";
const activatorName = "activator-0";
const aggregatorName = "aggregator-0";
const logLines = 5000;
const portNames = ["public", "admin", "internal", "aggregator", "feed"] as const;

/** What an app may know of the machine. The rest of the environment, with whatever secrets are in it, stays here. */
const sharedVariables = [
  "HOME",
  "USER",
  "LOGNAME",
  "SHELL",
  "LANG",
  "LC_ALL",
  "LC_CTYPE",
  "TZ",
  "TMPDIR",
] as const;

/** Builds the platform; `start` of what it returns runs it. Throws StartError for a taken port or a second platform. */
export async function createPlatform(options: PlatformOptions): Promise<Platform> {
  if (process.platform === "win32") {
    throw new StartError(
      "sluice up needs a Unix system for its processes",
      "run it in WSL or in a container",
    );
  }
  const { environment, settings, root } = options;
  const clock = systemClock;
  const folder = settings.runtimeDir ?? toRuntimeFolder(environment);
  prepareRuntimeFolder(folder);
  await claimSocket(toSocketPath(folder));
  const ports = await choosePorts(settings);

  const logs = new LogRing(logLines);
  const log = createLogger({
    name: "platform",
    stream: {
      write: (text) =>
        logs.add({
          at: new Date().toISOString(),
          source: "platform",
          container: "platform",
          text: text.trimEnd(),
        }),
    },
  });
  const hub = new WatchHub<FeedObject>({ clock });
  const base = toBaseEnvironment(environment);
  const addresses = await AddressBook.open();
  const sidecars = new SidecarSource(clock, {
    program: findServiceProgram(root, "sidecar"),
    spares: settings.spares,
    environment: { ...base, NODE_COMPILE_CACHE: join(folder, "compile-cache") },
    workingDirectory: root,
  });
  const appPorts = new AppPorts(Math.random);
  void appPorts.prepare();
  const catalog = new Catalog({
    domains: settings.domains,
    launch: {
      images: options.images,
      findExecutable: createExecutableFinder(base["PATH"] ?? "", canExecute),
    },
    services: {
      clock,
      addresses,
      appPorts,
      sidecars,
      logs,
      probe: probeSidecar,
      feed: createHubFeed(hub, [activatorName]),
      baseEnvironment: base,
    },
    onChange: options.onChange,
  });
  const members = toMemberSpecs(options, folder, ports, base).map(
    (spec) => new Member(spec, clock, logs, options.onNotice),
  );
  return new Platform({
    clock,
    log,
    logs,
    hub,
    ports,
    addresses,
    sidecars,
    members,
    memberObjects: toMemberObjects(ports),
    catalog,
    createControl: (platform) => new ControlServer(toSocketPath(folder), toControlRoutes(platform), log),
  });
}

function toBaseEnvironment(environment: PlatformOptions["environment"]): Record<string, string> {
  const base: Record<string, string> = {
    // First of all our own Node, for scripts that start with `#!/usr/bin/env node`.
    PATH: `${dirname(process.execPath)}:${environment["PATH"] ?? "/usr/local/bin:/usr/bin:/bin"}`,
  };
  for (const name of sharedVariables) {
    const value = environment[name];
    if (value !== undefined) base[name] = value;
  }
  return base;
}

function toMemberSpecs(
  options: PlatformOptions,
  folder: string,
  ports: StatusView["ports"],
  base: Readonly<Record<string, string>>,
): MemberSpec[] {
  const own = Object.fromEntries(
    Object.entries(options.environment).flatMap(([name, value]) =>
      name.startsWith("SLUICE_") && value !== undefined ? [[name, value]] : [],
    ),
  );
  const shared = {
    ...base,
    ...own,
    POD_IP: host,
    SLUICE_BIND_ADDRESS: host,
    SLUICE_FEED: `http://${host}:${ports.feed}/v1/feed`,
  };
  return [
    {
      name: aggregatorName,
      service: "aggregator",
      program: findServiceProgram(options.root, "aggregator"),
      workingDirectory: options.root,
      readyUrl: `http://${host}:${ports.aggregator}/readyz`,
      environment: {
        ...shared,
        POD_NAME: aggregatorName,
        SLUICE_PORT: String(ports.aggregator),
        SLUICE_AUTOSCALER_CONFIG: writeAutoscalerConfig(folder, options.autoscaler),
        SLUICE_STATE_DIR: makeEmptyFolder(join(folder, "state")),
      },
    },
    {
      name: activatorName,
      service: "activator",
      program: findServiceProgram(options.root, "activator"),
      workingDirectory: options.root,
      readyUrl: `http://${host}:${ports.admin}/readyz`,
      environment: {
        ...shared,
        POD_NAME: activatorName,
        SLUICE_PUBLIC_PORT: String(ports.public),
        SLUICE_INTERNAL_PORT: String(ports.internal),
        SLUICE_ADMIN_PORT: String(ports.admin),
        // Everybody here is at home, so every held request may say what it waited for.
        SLUICE_SERVER_TIMING: "true",
      },
    },
  ];
}

function toMemberObjects(ports: StatusView["ports"]): FeedObject[] {
  const { public: publicPort, internal, admin } = ports;
  return [
    { kind: "aggregator", name: aggregatorName, address: host, ports: { http: ports.aggregator } },
    { kind: "activator", name: activatorName, address: host, ports: { public: publicPort, internal, admin } },
  ];
}

/** One file a key, as Kubernetes mounts a ConfigMap. */
function writeAutoscalerConfig(folder: string, keys: Readonly<Record<string, string>>): string {
  const target = makeEmptyFolder(join(folder, "config-autoscaler"));
  for (const [key, value] of Object.entries(keys)) writeFileSync(join(target, key), value);
  return target;
}

/** Nothing of an earlier run is left in it: this platform starts without pods, whatever was decided then. */
function makeEmptyFolder(folder: string): string {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  return folder;
}

/** Every port is tried before anything is started; 0 becomes a free one. */
async function choosePorts(settings: PlatformSettings): Promise<StatusView["ports"]> {
  const wanted = {
    public: settings.publicPort,
    admin: settings.adminPort,
    internal: settings.internalPort,
    aggregator: settings.aggregatorPort,
    feed: settings.feedPort,
  };
  const tries = await Promise.allSettled(portNames.map(async (name) => await tryPort(name, wanted[name])));
  const servers = tries.map((tried) => (tried.status === "fulfilled" ? tried.value : undefined));
  await Promise.all(servers.map(async (server) => await server?.close()));
  for (const tried of tries) if (tried.status === "rejected") throw tried.reason;
  const ports = { ...wanted };
  for (const [index, name] of portNames.entries()) ports[name] = servers[index]?.port ?? wanted[name];
  return ports;
}

async function tryPort(
  name: (typeof portNames)[number],
  port: number,
): Promise<{ port: number; close: () => Promise<void> }> {
  const server = createServer();
  const bound = await new Promise<number>((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      const next = `stop what listens there, or choose another with --${name}-port`;
      reject(
        error.code === "EADDRINUSE"
          ? new StartError(`port ${port} on ${host} is taken`, next, { cause: error })
          : error,
      );
    });
    server.listen({ host, port, exclusive: true }, () => {
      const address = server.address();
      resolve(typeof address === "object" && address !== null ? address.port : port);
    });
  });
  return {
    port: bound,
    close: async () => await new Promise((resolve) => void server.close(() => resolve())),
  };
}

function canExecute(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    // Not there, or not ours to run: the caller says which command it was.
    return false;
  }
}

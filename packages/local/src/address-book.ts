import { createServer, type Server } from "node:net";

/** Knative's port numbers, which every pod can have for itself where every pod has an address for itself. */
export interface SidecarPorts {
  readonly main: number;
  readonly stats: number;
  readonly metrics: number;
  readonly admin: number;
}

export interface PodAddress {
  readonly address: string;
  readonly ports: SidecarPorts;
}

const wantedPorts: SidecarPorts = { main: 8012, stats: 9090, metrics: 9091, admin: 8022 };
const portNames = ["main", "stats", "metrics", "admin"] as const;
const shared = "127.0.0.1";

/**
 * Gives every pod an address. Linux answers on all of 127.0.0.0/8, so there a pod gets one of its own, out of a block of
 * 65,000 that this book claims by listening in it; elsewhere all pods share 127.0.0.1 and get free ports.
 */
export class AddressBook {
  readonly #claim: Server | undefined;
  readonly #block: number | undefined;
  readonly #ports: SidecarPorts;
  readonly #used = new Set<string>();
  #last = 1;

  private constructor(block?: number, claim?: Server, ports: SidecarPorts = wantedPorts) {
    this.#block = block;
    this.#claim = claim;
    this.#ports = ports;
  }

  /** `mode` ports: as on systems with one loopback address. `wanted`: what every pod should listen on. */
  static async open(
    mode: "addresses" | "ports" = "addresses",
    wanted: SidecarPorts = wantedPorts,
  ): Promise<AddressBook> {
    if (mode === "ports") return new AddressBook();
    for (let block = 65; block < 250; block++) {
      const claimed = await claimBlock(block, wanted);
      if (claimed === "unsupported") return new AddressBook();
      if (claimed !== "taken") return new AddressBook(block, claimed.server, claimed.ports);
    }
    return new AddressBook();
  }

  get hasOwnAddresses(): boolean {
    return this.#block !== undefined;
  }

  async take(): Promise<PodAddress> {
    if (this.#block === undefined) return { address: shared, ports: await takeFreePorts() };
    // Going round before an address comes back keeps late messages for an old pod away from a new one.
    do {
      this.#last = this.#last >= 65_000 ? 2 : this.#last + 1;
    } while (this.#used.has(this.#toAddress(this.#last)));
    const address = this.#toAddress(this.#last);
    this.#used.add(address);
    return { address, ports: this.#ports };
  }

  release(taken: PodAddress): void {
    this.#used.delete(taken.address);
  }

  close(): void {
    this.#claim?.close();
  }

  #toAddress(index: number): string {
    return `127.${this.#block}.${index >> 8}.${index & 255}`;
  }
}

async function claimBlock(
  block: number,
  wanted: SidecarPorts,
): Promise<{ server: Server; ports: SidecarPorts } | "taken" | "unsupported"> {
  // The first address of the block is the claim; pods start at the second.
  const claim = await listen(`127.${block}.0.1`, 1024 + block);
  if (claim === "EADDRINUSE") return "taken";
  if (typeof claim === "string") return "unsupported";
  return { server: claim, ports: await findPorts(`127.${block}.0.2`, wanted) };
}

/** A program that listens on all addresses has its port in our block too; pods then get another number. */
async function findPorts(address: string, wanted: SidecarPorts): Promise<SidecarPorts> {
  const ports = { ...wanted };
  for (const name of portNames) ports[name] = await probePort(address, wanted[name]);
  return ports;
}

async function takeFreePorts(): Promise<SidecarPorts> {
  // All four at once: a port that was given back could be given out twice.
  const servers = await Promise.all(portNames.map(async () => await listen(shared, 0)));
  const ports = { ...wantedPorts };
  for (const [index, name] of portNames.entries()) {
    const server = servers[index];
    if (server === undefined || typeof server === "string") throw new Error("no free port on 127.0.0.1");
    ports[name] = toPort(server);
  }
  await Promise.all(servers.map(async (server) => typeof server === "string" || (await close(server))));
  return ports;
}

/** `port` when it can be listened on, else a free one. */
async function probePort(address: string, port: number): Promise<number> {
  const server = await listen(address, port);
  if (typeof server !== "string") {
    await close(server);
    return port;
  }
  const other = await listen(address, 0);
  if (typeof other === "string") throw new Error(`no free port on ${address}: ${other}`);
  const found = toPort(other);
  await close(other);
  return found;
}

async function listen(address: string, port: number): Promise<Server | string> {
  return await new Promise((resolve) => {
    const server = createServer((socket) => socket.destroy());
    server.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? "unknown"));
    server.listen({ host: address, port, exclusive: true }, () => {
      server.unref();
      resolve(server);
    });
  });
}

function toPort(server: Server): number {
  const bound = server.address();
  return typeof bound === "object" && bound !== null ? bound.port : 0;
}

async function close(server: Server): Promise<void> {
  await new Promise<void>((resolve) => void server.close(() => resolve()));
}

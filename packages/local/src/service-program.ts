import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";

/** How one of our own services is started. */
export interface ServiceProgram {
  readonly command: string;
  readonly args: readonly string[];
  readonly isBundled: boolean;
}

export type ServiceName = "sidecar" | "activator" | "aggregator";

/** The packages whose source ends up in every bundle. */
const sharedPackages = ["core", "kit", "dataplane"] as const;

/**
 * A sidecar lives beside every pod, so its young generation is kept small: 4 MiB costs no speed and saves some 40 MiB
 * (reference: the table of measured proxies in `docs/`). The shared services keep Node's default.
 */
const nodeFlags: Readonly<Record<ServiceName, readonly string[]>> = {
  sidecar: ["--max-semi-space-size=4"],
  activator: [],
  aggregator: [],
};

/**
 * The service's bundle where there is one that is newer than everything it was made from, which starts twice as fast;
 * else its source. `root` is the project's folder.
 */
export function findServiceProgram(root: string, service: ServiceName): ServiceProgram {
  const bundle = join(root, "dist", `${service}.mjs`);
  const isBundled = existsSync(bundle) && statSync(bundle).mtimeMs >= newestSourceMs(root, service);
  const file = isBundled ? bundle : join(root, "packages", service, "src", "main.ts");
  return { command: process.execPath, args: [...nodeFlags[service], file], isBundled };
}

function newestSourceMs(root: string, service: ServiceName): number {
  let newestMs = 0;
  for (const name of [...sharedPackages, service]) {
    const folder = join(root, "packages", name, "src");
    if (!existsSync(folder)) continue;
    for (const file of readdirSync(folder, { recursive: true, encoding: "utf8" })) {
      newestMs = Math.max(newestMs, statSync(join(folder, file)).mtimeMs);
    }
  }
  return newestMs;
}

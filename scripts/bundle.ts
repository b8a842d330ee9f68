import { build } from "esbuild";
import { existsSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { toBundleOptions } from "./bundle-options.ts";

/** One `.mjs` a service, so that a process starts from one file: `dist/<service>.mjs`. */
const services = ["sidecar", "activator", "aggregator", "scaler"] as const;
const root = join(import.meta.dirname, "..");

for (const service of services) {
  const options = toBundleOptions(service);
  if (!existsSync(join(root, "packages", service, "src", "main.ts"))) continue;
  const result = await build(options);
  // esbuild leaves a file alone that would not change; its time must still say that it is as new as its sources.
  utimesSync(join(root, "dist", `${service}.mjs`), new Date(), new Date());
  const output = Object.values(result.metafile?.outputs ?? {})[0];
  process.stdout.write(`dist/${service}.mjs ${Math.ceil((output?.bytes ?? 0) / 1024)} KiB\n`);
}

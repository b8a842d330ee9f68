import { build } from "esbuild";
import { utimesSync } from "node:fs";
import { join } from "node:path";
import { bundleNames, toBundleOptions } from "./bundle-options.ts";

/** One `.mjs` a service, so that a process starts from one file: `dist/<service>.mjs`; and one for each part that is loaded late. */
const root = join(import.meta.dirname, "..");

for (const name of bundleNames) {
  const result = await build(toBundleOptions(name));
  // esbuild leaves a file alone that would not change; its time must still say that it is as new as its sources.
  utimesSync(join(root, "dist", `${name}.mjs`), new Date(), new Date());
  const output = Object.values(result.metafile?.outputs ?? {})[0];
  process.stdout.write(`dist/${name}.mjs ${Math.ceil((output?.bytes ?? 0) / 1024)} KiB\n`);
}

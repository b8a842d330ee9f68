import { build, type BuildOptions, type Plugin } from "esbuild";
import { existsSync, utimesSync } from "node:fs";
import { join } from "node:path";

/** One `.mjs` a service, so that a process starts from one file: `dist/<service>.mjs`. */
const services = ["sidecar", "activator", "aggregator", "scaler"] as const;
const root = join(import.meta.dirname, "..");

/**
 * undici's front door loads fetch, caches, mocks and a second parser; the sidecar needs its pool alone, and starts 30 ms sooner
 * without the rest.
 */
const poolOfUndici: Plugin = {
  name: "pool-of-undici",
  setup(bundler) {
    bundler.onResolve({ filter: /^undici$/ }, () => ({ path: "pool", namespace: "pool-of-undici" }));
    bundler.onLoad({ filter: /.*/, namespace: "pool-of-undici" }, () => ({
      contents: 'export { default as Pool } from "undici/lib/dispatcher/pool.js";',
      resolveDir: root,
    }));
  },
};

function toOptions(service: string): BuildOptions {
  return {
    entryPoints: [join(root, "packages", service, "src", "main.ts")],
    outfile: join(root, "dist", `${service}.mjs`),
    bundle: true,
    platform: "node",
    target: "node26",
    format: "esm",
    minify: true,
    keepNames: true,
    sourcemap: false,
    legalComments: "none",
    // Dependencies written as CommonJS call `require` for Node's own modules.
    banner: {
      js: "import { createRequire as sluiceCreateRequire } from 'node:module'; const require = sluiceCreateRequire(import.meta.url);",
    },
    // Leaves undici's experimental parser out, as Node's own copy of undici does.
    define: { esbuildDetection: "true" },
    plugins: service === "sidecar" ? [poolOfUndici] : [],
    metafile: true,
    logLevel: "error",
  };
}

for (const service of services) {
  const options = toOptions(service);
  if (!existsSync(join(root, "packages", service, "src", "main.ts"))) continue;
  const result = await build(options);
  // esbuild leaves a file alone that would not change; its time must still say that it is as new as its sources.
  utimesSync(join(root, "dist", `${service}.mjs`), new Date(), new Date());
  const output = Object.values(result.metafile?.outputs ?? {})[0];
  process.stdout.write(`dist/${service}.mjs ${Math.ceil((output?.bytes ?? 0) / 1024)} KiB\n`);
}

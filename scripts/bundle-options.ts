import type { BuildOptions, Plugin } from "esbuild";
import { join } from "node:path";

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

/** How a service becomes one file. */
export function toBundleOptions(service: string): BuildOptions {
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

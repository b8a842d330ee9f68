import type { BuildOptions, Plugin } from "esbuild";
import { join } from "node:path";

const root = join(import.meta.dirname, "..");

/** Parts of libraries that the sidecar never uses and that would load TLS and clusters when it starts. */
const unused: readonly RegExp[] = [
  // Prometheus comes to us; there is one process; the process's figures are our own; no summaries.
  /prom-client\/lib\/(?:pushgateway|cluster|defaultMetrics|summary)\.js$/,
  // Logs are written by the process itself, not by a worker.
  /pino\/lib\/transport\.js$/,
];

/** Leaves out what only costs time at the start: the parts above become a function that says so. */
const leanLibraries: Plugin = {
  name: "lean-libraries",
  setup(bundler) {
    for (const filter of unused) {
      bundler.onLoad({ filter }, ({ path }) => ({
        contents: `module.exports = () => { throw new Error(${JSON.stringify(`${path.split("/node_modules/").at(-1)} is not in this bundle`)}); };`,
      }));
    }
  },
};

/**
 * An `import` of Node's `http` reads every property of it, and some of these load fetch, TLS and OpenSSL: 20 ms of a process's
 * start on an idle machine. `require` reads only what is used, so the bundles ask that way.
 */
const requiredHttp: Plugin = {
  name: "required-http",
  setup(bundler) {
    bundler.onResolve({ filter: /^(?:node:)?http$/ }, ({ namespace }) =>
      namespace === "required-http"
        ? { path: "node:http", external: true }
        : { path: "http", namespace: "required-http" },
    );
    bundler.onLoad({ filter: /.*/, namespace: "required-http" }, () => ({
      contents: 'module.exports = require("node:http");',
    }));
  },
};

/**
 * Of the official Kubernetes client the scaler uses the credentials alone. Nothing of it does anything by being loaded, which it
 * does not say itself; said here of what its two indexes name, the models of every kind and version are left out: 20 MiB in each
 * scaler.
 */
const usedPartOfClient: Plugin = {
  name: "used-part-of-client",
  setup(bundler) {
    const index = /\/client-node\/dist\/(?:gen\/)?index\.js$/;
    bundler.onResolve(
      { filter: /^\.\/|^@kubernetes\/client-node$/ },
      async ({ path, importer, kind, resolveDir, pluginData }) => {
        const isNamed = path.startsWith("@") || index.test(importer);
        if (!isNamed || pluginData === usedPartOfClient) return undefined;
        const found = await bundler.resolve(path, {
          importer,
          kind,
          resolveDir,
          pluginData: usedPartOfClient,
        });
        return { ...found, sideEffects: false };
      },
    );
  },
};

/** Parts of the sidecar that only some pods use: files of their own beside its bundle, loaded when the settings ask for them. */
const lateParts: Readonly<Record<string, string>> = {
  "sidecar-open-telemetry": "open-telemetry/open-telemetry.ts",
  "sidecar-profiling": "profiling/profiling-listener.ts",
};

const separateParts: Plugin = {
  name: "separate-parts",
  setup(bundler) {
    for (const [name, file] of Object.entries(lateParts)) {
      bundler.onResolve({ filter: new RegExp(`/${file.replaceAll(".", String.raw`\.`)}$`) }, ({ kind }) =>
        kind === "dynamic-import" ? { path: `./${name}.mjs`, external: true } : undefined,
      );
    }
  },
};

/**
 * This package's modules ask for grpc-js by a `require` that is made when they run, which no bundler sees: the image has no
 * node_modules where they would find it. Written as CommonJS the package asks in the usual way.
 */
const visibleGrpc: Plugin = {
  name: "visible-grpc",
  setup(bundler) {
    bundler.onResolve({ filter: /^@opentelemetry\/otlp-grpc-exporter-base$/ }, ({ path, resolveDir, kind }) =>
      kind === "require-call" ? undefined : bundler.resolve(path, { resolveDir, kind: "require-call" }),
    );
  },
};

const pluginsOf: Readonly<Record<string, readonly Plugin[]>> = {
  sidecar: [requiredHttp, leanLibraries, separateParts],
  "sidecar-open-telemetry": [requiredHttp, visibleGrpc],
  scaler: [requiredHttp, usedPartOfClient],
};

/** The bundles that a service is made of: its own, and what it loads late. */
export function toBundleNames(service: string): string[] {
  return [service, ...Object.keys(lateParts).filter((name) => name.startsWith(`${service}-`))];
}

/** Every bundle. */
export const bundleNames: readonly string[] = ["sidecar", "activator", "aggregator", "scaler"].flatMap(
  toBundleNames,
);

/** How a service, or a late part of one, becomes one file. */
export function toBundleOptions(service: string): BuildOptions {
  const part = lateParts[service];
  const source = part === undefined ? join(service, "src", "main.ts") : join("sidecar", "src", part);
  return {
    entryPoints: [join(root, "packages", source)],
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
    plugins: [...(pluginsOf[service] ?? [requiredHttp])],
    metafile: true,
    logLevel: "error",
  };
}

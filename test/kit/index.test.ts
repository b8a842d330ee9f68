import { build } from "esbuild";
import { join } from "node:path";
import { describe, expect, test } from "vitest";

/** Which installed packages a bundle of these names of the kit holds. */
async function bundledPackages(names: string): Promise<readonly string[]> {
  const result = await build({
    stdin: {
      contents: `import { ${names} } from "@sluice/kit"; console.log(${names});`,
      resolveDir: join(import.meta.dirname, "..", "..", "packages", "sidecar"),
    },
    bundle: true,
    write: false,
    metafile: true,
    platform: "node",
    format: "esm",
  });
  const [output] = Object.values(result.metafile.outputs);
  const used = Object.entries(output?.inputs ?? {}).filter(([, { bytesInOutput }]) => bytesInOutput > 0);
  const packages = used.map(([file]) => /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(file)?.[1] ?? "own");
  return [...new Set(packages)];
}

describe("kit", () => {
  test("a sidecar that takes settings, log, metrics and life cycle from it holds neither YAML nor a Kubernetes client", async () => {
    const packages = await bundledPackages(
      "createLogger, createMetrics, listen, parseSettings, runMain, waitInStage",
    );
    expect(packages).toEqual(expect.arrayContaining(["own", "pino", "prom-client"]));
    expect(packages).not.toContain("yaml");
    expect(packages.filter((name) => name.includes("kubernetes"))).toEqual([]);
  });

  test("who reads a feed from a file does hold YAML", async () => {
    expect(await bundledPackages("openFeed")).toContain("yaml");
  });
});

import { build, type Metafile } from "esbuild";
import { describe, expect, test } from "vitest";
import { toBundleNames, toBundleOptions } from "../../scripts/bundle-options.ts";

async function readBundle(name: string): Promise<{ inputs: string[]; imports: string[]; bytes: number }> {
  const { metafile } = await build({ ...toBundleOptions(name), write: false });
  const outputs: Metafile["outputs"] = metafile?.outputs ?? {};
  const [output] = Object.values(outputs);
  return {
    inputs: Object.keys(output?.inputs ?? {}),
    imports: (output?.imports ?? []).map(({ path }) => path).filter((path) => path.startsWith("./")),
    bytes: output?.bytes ?? 0,
  };
}

describe("the sidecar's bundle", () => {
  test("is small and holds neither Kubernetes client, YAML nor command line", async () => {
    const { inputs, bytes } = await readBundle("sidecar");
    expect(inputs.some((file) => file.endsWith("packages/sidecar/src/main.ts"))).toBe(true);
    const unwanted =
      /node_modules\/(?:@kubernetes|yaml|commander|ws|@grpc|autocannon|@opentelemetry|pprof-format)\/|packages\/(?:scaler|manifest|cli|local|activator|aggregator)\//;
    expect(inputs.filter((file) => unwanted.test(file))).toEqual([]);
    expect(bytes).toBeLessThan(500_000);
  });

  test("names the parts that it loads late, which are files of their own", async () => {
    const { imports } = await readBundle("sidecar");
    const parts = toBundleNames("sidecar").slice(1);
    expect(parts).toEqual(["sidecar-open-telemetry", "sidecar-profiling"]);
    expect(imports.toSorted()).toEqual(parts.map((name) => `./${name}.mjs`));
    for (const name of parts) expect((await readBundle(name)).bytes).toBeLessThan(1_000_000);
  });
});

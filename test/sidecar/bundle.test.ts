import { build } from "esbuild";
import { expect, test } from "vitest";
import { toBundleOptions } from "../../scripts/bundle-options.ts";

test("the bundle is small and holds neither Kubernetes client, YAML nor command line", async () => {
  const { metafile } = await build({ ...toBundleOptions("sidecar"), write: false });
  const [output] = Object.values(metafile?.outputs ?? {});
  const inputs = Object.keys(output?.inputs ?? {});
  expect(inputs.some((file) => file.endsWith("packages/sidecar/src/main.ts"))).toBe(true);
  const unwanted =
    /node_modules\/(?:@kubernetes|yaml|commander|ws|@grpc|autocannon)\/|packages\/(?:scaler|manifest|cli|local|activator|aggregator)\//;
  expect(inputs.filter((file) => unwanted.test(file))).toEqual([]);
  expect(output?.bytes).toBeLessThan(1_000_000);
});

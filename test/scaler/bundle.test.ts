import { build } from "esbuild";
import { expect, test } from "vitest";
import { toBundleOptions } from "../../scripts/bundle-options.ts";

test("the bundle has the official client's credentials, and none of its models of every kind and version", async () => {
  const { metafile } = await build({ ...toBundleOptions("scaler"), write: false });
  const [output] = Object.values(metafile?.outputs ?? {});
  const inputs = Object.entries(output?.inputs ?? {}).flatMap(([file, { bytesInOutput }]) =>
    bytesInOutput > 0 ? [file] : [],
  );
  expect(inputs).toEqual(
    expect.arrayContaining([
      "node_modules/@kubernetes/client-node/dist/config.js",
      "node_modules/@kubernetes/client-node/dist/exec_auth.js",
      "node_modules/@kubernetes/client-node/dist/oidc_auth.js",
    ]),
  );
  expect(inputs.filter((file) => /client-node\/dist\/gen\/(?:models|apis|types)\//.test(file))).toEqual([]);
});

import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { toBundleNames } from "../../scripts/bundle-options.ts";
import { hasKubectl } from "../support/deployed.ts";
import { assembleImage, environmentOf, instructionsOf, listSizes, wordsOf } from "../support/image-folder.ts";
import { makeMountPoints, SimulatedContainer } from "../support/simulated-pod.ts";

/** Without an engine: mounts, a root of its own and a network of its own, which Linux gives to root alone. */
const canContain =
  process.platform === "linux" &&
  process.getuid?.() === 0 &&
  spawnSync("unshare", ["-mn", "ip", "link", "set", "lo", "up"]).status === 0;
const whyNot = "mounts and networks of one's own need Linux and root";
const root = join(import.meta.dirname, "..", "..");
const services = ["sidecar", "activator", "aggregator", "scaler"] as const;
const mebibyte = 1024 * 1024;
/** `gcr.io/distroless/cc` takes some 25 MiB, of which the C library is counted with our files as well. */
const baseImageBytes = 30 * mebibyte;

let temporary = "";
let folder = "";
beforeEach(() => {
  if (!existsSync(join(root, "dist", "scaler.mjs"))) throw new Error("dist/ is missing; run: npm run bundle");
  // The folder itself is its owner's alone; a container is nobody's.
  temporary = mkdtempSync(join(tmpdir(), "sluice-image-"));
  folder = join(temporary, "image");
});
afterEach(() => rmSync(temporary, { recursive: true }));

describe("the image", () => {
  test.each([...services, "sluice"])(
    "%s has Node, one library and its bundles, and is under 250 MiB",
    (target) => {
      assembleImage(target, folder);
      const sizes = listSizes(folder);
      const bundles = (target === "sluice" ? services : [target])
        .flatMap(toBundleNames)
        .map((name) => `/app/${name}.mjs`);
      const own = [...sizes.keys()].filter((file) => /^\/(?:app|usr\/local)\//.test(file));
      const library = own.filter((file) => file.startsWith("/usr/local/lib/libatomic.so."));
      expect(own).toEqual(expect.arrayContaining([...bundles, "/usr/local/bin/node"]));
      expect(own.length).toBe(bundles.length + 1 + library.length);
      const bytes = [...sizes.values()].reduce((sum, size) => sum + size, baseImageBytes);
      expect(bytes).toBeLessThan(250 * mebibyte);
    },
  );

  test.for([...services, "sluice"])(
    "%s starts from these files alone, as nobody and on a read-only root",
    async (target, { skip }) => {
      skip(!canContain, whyNot);
      assembleImage(target, folder);
      makeMountPoints(folder, [], "");
      expect(wordsOf(target, "ENTRYPOINT")).toEqual(["/usr/local/bin/node"]);
      expect(instructionsOf(target).findLast(({ word }) => word === "USER")?.rest).toBe("65532:65532");
      const container = new SimulatedContainer({
        image: folder,
        args: [...wordsOf(target, "CMD"), "--help"],
        environment: environmentOf(target),
        mounts: [],
      });
      expect([await container.exited, container.output]).toEqual([
        0,
        expect.stringContaining("Settings (a flag wins over its variable):"),
      ]);
    },
  );
});

interface Seen {
  feedWithoutToken: number;
  status: number;
  body: string;
  rights: { user: string; capabilities: string; isRootReadOnly: boolean }[];
  patch: { path: string; value: { name?: string } }[];
}

test.for(["as it is", "with TLS between its parts"])(
  "what sluice install prints takes a Deployment from zero to a pod and back, %s",
  async (variant, { skip }) => {
    const isSecure = variant !== "as it is";
    skip(!canContain, whyNot);
    skip(isSecure && !hasKubectl, "kubectl is not installed");
    const program = join(root, "test", "support", "simulated-cluster.ts");
    const { stdout, stderr } = spawnSync(
      "unshare",
      ["-n", process.execPath, program, ...(isSecure ? ["tls"] : [])],
      { encoding: "utf8" },
    );
    expect(stderr).toBe("");
    const seen = JSON.parse(stdout) as Seen;
    expect(seen).toMatchObject({ feedWithoutToken: 401, status: 200, body: "<h1>from a pod</h1>\n" });
    // Scaler, aggregator, activator and the sidecar.
    expect(seen.rights).toEqual(
      Array.from({ length: 4 }, () => ({
        user: "65532",
        capabilities: "0000000000000000",
        isRootReadOnly: true,
      })),
    );
    expect(seen.patch.find(({ path }) => path === "/spec/containers/-")?.value.name).toBe("queue-proxy");
  },
);

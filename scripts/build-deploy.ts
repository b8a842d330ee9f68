import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { buildDeployManifest } from "./deploy-manifest.ts";

const root = join(import.meta.dirname, "..");
writeFileSync(join(root, "deploy", "sluice.yaml"), buildDeployManifest(root));
process.stdout.write("deploy/sluice.yaml\n");

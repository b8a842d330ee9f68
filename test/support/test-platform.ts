import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ChildPlatform } from "../../packages/cli/src/child-platform.ts";

const root = join(import.meta.dirname, "..", "..");
export const appsFolder = join(import.meta.dirname, "apps");

/** The article's settings with windows that a test can wait for. */
const shortAutoscaler = {
  "container-concurrency-target-percentage": "100",
  "allow-zero-initial-scale": "true",
  "initial-scale": "0",
  "stable-window": "6s",
  "panic-window-percentage": "100",
  "scale-to-zero-grace-period": "1s",
};

export interface TestService {
  readonly name: string;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly containerConcurrency?: number;
  readonly env?: Readonly<Record<string, string>>;
}

/** A Knative Service of the app that does what a test asks (`apps/any-app.mjs`), as YAML. */
export function toManifest({
  name,
  annotations = {},
  containerConcurrency = 0,
  env = {},
}: TestService): string {
  return JSON.stringify({
    apiVersion: "serving.knative.dev/v1",
    kind: "Service",
    metadata: { name },
    spec: {
      template: {
        metadata: { annotations },
        spec: {
          containerConcurrency,
          containers: [
            {
              image: "any-app",
              command: ["node", "any-app.mjs"],
              workingDir: appsFolder,
              env: Object.entries(env).map(([key, value]) => ({ name: key, value })),
            },
          ],
        },
      },
    },
  });
}

/** A whole platform on free ports, for a test that calls `stop` in the end. */
export async function startTestPlatform(
  services: readonly TestService[],
  autoscaler: Readonly<Record<string, string>> = {},
): Promise<ChildPlatform> {
  const folder = mkdtempSync(join(tmpdir(), "sluice-test-"));
  try {
    for (const service of services) writeFileSync(join(folder, `${service.name}.yaml`), toManifest(service));
    const config = {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: "config-autoscaler" },
      data: { ...shortAutoscaler, ...autoscaler },
    };
    writeFileSync(join(folder, "config.yaml"), JSON.stringify(config));
    return await ChildPlatform.start({ root, environment: process.env, paths: [folder] });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

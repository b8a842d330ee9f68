import { parseSettings, runMain } from "@sluice/kit";
import { startSidecar } from "./service.ts";
import { sidecarSettings } from "./settings.ts";
import { readEnvironmentLine } from "./spare.ts";
import { warmUp } from "./warm-up.ts";

await runMain(async () => {
  const given = process.env["SLUICE_ENVIRONMENT"] === "stdin" ? await waitAsSpare() : {};
  if (given === undefined) return undefined;
  const environment = { ...process.env, ...given };
  return startSidecar(parseSettings(sidecarSettings, { environment, args: process.argv.slice(2) }));
});

/** The warm-up is not waited for: a pod that needs this spare at once gets it as it is. */
async function waitAsSpare(): Promise<Readonly<Record<string, string>> | undefined> {
  const line = readEnvironmentLine(process.stdin);
  void warmUp();
  return await line;
}

import { parseSettings, runMain } from "@sluice/kit";
import { startSidecar } from "./service.ts";
import { sidecarSettings } from "./settings.ts";
import { readEnvironmentLine } from "./spare.ts";

await runMain(async () => {
  const isSpare = process.env["SLUICE_ENVIRONMENT"] === "stdin";
  const given = isSpare ? await readEnvironmentLine(process.stdin) : {};
  if (given === undefined) return undefined;
  const environment = { ...process.env, ...given };
  return startSidecar(parseSettings(sidecarSettings, { environment, args: process.argv.slice(2) }));
});

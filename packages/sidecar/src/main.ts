import { runMain } from "@sluice/kit";
import { readSidecarSettings } from "./read-settings.ts";
import { startSidecar } from "./service.ts";
import { readEnvironmentLine } from "./spare.ts";
import { warmUp } from "./warm-up.ts";

await runMain(async () => {
  const given = process.env["SLUICE_ENVIRONMENT"] === "stdin" ? await waitAsSpare() : {};
  if (given === undefined) return undefined;
  // OpenTelemetry's libraries read the rest of their variables (headers, certificates, time limits) there themselves.
  Object.assign(process.env, given);
  return startSidecar(readSidecarSettings({ environment: process.env, args: process.argv.slice(2) }));
});

/** The warm-up is not waited for: a pod that needs this spare at once gets it as it is. */
async function waitAsSpare(): Promise<Readonly<Record<string, string>> | undefined> {
  const line = readEnvironmentLine(process.stdin);
  void warmUp();
  return await line;
}

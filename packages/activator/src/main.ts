import { createLogger, parseSettings, runMain } from "@sluice/kit";
import { activatorSettings } from "./activator-settings.ts";
import { startActivator } from "./service.ts";

await runMain(async () => {
  const settings = parseSettings(activatorSettings, {
    environment: process.env,
    args: process.argv.slice(2),
  });
  const log = createLogger({
    name: "activator",
    level: settings.logLevel,
    fields: { pod: settings.podName },
  });
  const activator = await startActivator({ settings, log });
  const { publicPort, internalPort, adminPort } = activator;
  log.info({ publicPort, internalPort, adminPort, podIp: settings.podIp }, "activator listens");
  return { log, stop: activator.stop };
});

import { systemClock } from "@sluice/core";
import { createLogger, runMain } from "@sluice/kit";
import { readAggregatorSettings } from "./aggregator-settings.ts";
import { startAggregator } from "./service.ts";

await runMain(async () => {
  const settings = readAggregatorSettings({ environment: process.env, args: process.argv.slice(2) });
  const log = createLogger({ name: "aggregator", level: settings.logLevel, fields: { pod: settings.name } });
  const aggregator = await startAggregator({ settings, clock: systemClock, random: Math.random, log });
  return { log, stop: aggregator.stop };
});

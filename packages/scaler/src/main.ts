import { KubeConfig } from "@kubernetes/client-node";
import { systemClock } from "@sluice/core";
import { createLogger, runMain, StartError } from "@sluice/kit";
import { readScalerSettings } from "./scaler-settings.ts";
import { startScaler } from "./service.ts";

await runMain(async () => {
  const settings = readScalerSettings({ environment: process.env, args: process.argv.slice(2) });
  const log = createLogger({ name: "scaler", level: settings.logLevel, fields: { pod: settings.podName } });
  const config = new KubeConfig();
  if (process.env["KUBERNETES_SERVICE_HOST"] !== undefined) config.loadFromCluster();
  else if (process.env["KUBECONFIG"] !== undefined) config.loadFromDefault();
  else {
    throw new StartError(
      "this is no pod of a cluster, and KUBECONFIG names no other",
      "install it with sluice install, or set KUBECONFIG",
    );
  }
  const scaler = await startScaler({ settings, config, clock: systemClock, log });
  return { log, stop: scaler.stop };
});

export { activatorSettings, type ActivatorSettings } from "./activator-settings.ts";
export { startActivator, type Activator, type ActivatorOptions } from "./service.ts";

export { InProcessSidecar } from "./in-process/in-process.ts";
export type { ControlPorts, InProcessOptions } from "./in-process/options.ts";
export { readSidecarSettings } from "./read-settings.ts";
export { sidecarSettings, type SidecarSettings } from "./settings.ts";
export type { SidecarPorts } from "./bindings.ts";
export { startSidecar, type Sidecar } from "./service.ts";

export { InProcessSidecar, type InProcessOptions } from "./in-process.ts";
export { readSidecarSettings } from "./read-settings.ts";
export { sidecarSettings, type SidecarSettings } from "./settings.ts";
export type { SidecarPorts } from "./bindings.ts";
export { startSidecar, type Sidecar } from "./service.ts";

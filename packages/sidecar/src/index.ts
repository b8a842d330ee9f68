export { InProcessSidecar, type InProcessOptions } from "./in-process.ts";
export { sidecarSettings, type SidecarSettings } from "./settings.ts";
export { startSidecar, type Sidecar, type SidecarPorts } from "./service.ts";

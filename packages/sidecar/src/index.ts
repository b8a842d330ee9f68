export { startSidecar, type Sidecar, type SidecarPorts } from "./service.ts";
export { sidecarSettings, type SidecarSettings } from "./settings.ts";

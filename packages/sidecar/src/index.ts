export { startSidecar, type Sidecar } from "./service.ts";
export { sidecarSettings, type SidecarSettings } from "./settings.ts";

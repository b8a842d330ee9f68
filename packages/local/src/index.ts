export { ManifestRefused, type ManifestSource } from "./catalog.ts";
export { spawnGuarded, type GuardedProcess } from "./guarded-process.ts";
export type { ImageCommand } from "./image-command.ts";
export type { LogLine } from "./log-ring.ts";
export { platformSettings, type PlatformSettings } from "./platform-settings.ts";
export type { Platform } from "./platform.ts";
export { toRuntimeFolder, toSocketPath } from "./runtime-folder.ts";
export { createPlatform, type PlatformOptions } from "./service.ts";
export type { ApplyView, PodView, RevisionView, ServiceView, StatusView } from "./view.ts";

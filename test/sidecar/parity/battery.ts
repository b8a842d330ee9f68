import { appFailureGroups } from "./battery/app-failures.ts";
import { controlPortGroups } from "./battery/control-ports.ts";
import { limitGroups } from "./battery/limits.ts";
import { probeGroups } from "./battery/probes.ts";
import { requestFramingGroups } from "./battery/request-framing.ts";
import { requestHeaderGroups } from "./battery/request-headers.ts";
import { responseGroups } from "./battery/responses.ts";
import { timeoutGroups } from "./battery/timeouts.ts";
import { upgradeGroups } from "./battery/upgrades.ts";
import type { ParityGroup } from "./case.ts";

export const battery: readonly ParityGroup[] = [
  ...probeGroups,
  ...requestHeaderGroups,
  ...requestFramingGroups,
  ...responseGroups,
  ...appFailureGroups,
  ...timeoutGroups,
  ...limitGroups,
  ...upgradeGroups,
  ...controlPortGroups,
];

import { lstatSync, mkdirSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { StartError } from "@sluice/kit";

/** Socket paths are this long at most on every system (`sun_path`). */
const longestSocketPath = 103;

/** Where `sluice up` and the other commands meet when nobody says otherwise: per user, and for this user alone. */
export function toRuntimeFolder(environment: Readonly<Record<string, string | undefined>>): string {
  const base = environment["XDG_RUNTIME_DIR"];
  return base === undefined || base === ""
    ? join(tmpdir(), `sluice-${userInfo().uid}`)
    : join(base, "sluice");
}

export function toSocketPath(folder: string): string {
  return join(folder, "control.sock");
}

/**
 * Makes the folder, mode 0700, or checks the one that is there. The commands in it start programs, so a folder that
 * somebody else owns or can enter is refused. Throws StartError.
 */
export function prepareRuntimeFolder(folder: string): void {
  if (toSocketPath(folder).length > longestSocketPath) {
    throw new StartError(
      `the runtime folder ${folder} has too long a name for a socket in it`,
      "name a shorter one with --runtime-dir",
    );
  }
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const found = lstatSync(folder);
  const fault = !found.isDirectory()
    ? "is not a folder"
    : found.uid !== userInfo().uid
      ? "belongs to somebody else"
      : (found.mode & 0o077) !== 0
        ? "can be entered by others"
        : undefined;
  if (fault !== undefined) {
    throw new StartError(
      `the runtime folder ${folder} ${fault}`,
      `remove it, or give it to yourself alone (chmod 700 ${folder}), or name another with --runtime-dir`,
    );
  }
}

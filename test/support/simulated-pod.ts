import { spawn, type ChildProcessByStdio } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Readable } from "node:stream";

export interface Mount {
  readonly path: string;
  /** A folder of this machine. */
  readonly source: string;
}

export interface ContainerStart {
  /** A folder with the files of the image. */
  readonly image: string;
  readonly args: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly mounts: readonly Mount[];
}

type Child = ChildProcessByStdio<null, Readable, Readable>;

/** What a container runtime does with a file system: the image read-only, volumes on it, and nobody's rights. */
const script = `set -e
image=$1; shift
mount --bind "$image" "$image"
mount -o remount,bind,ro "$image"
mount -t proc proc "$image/proc"
mount --bind /dev "$image/dev"
while [ "$1" != -- ]; do mount --bind "$1" "$image$2"; mount -o remount,bind,ro "$image$2"; shift 2; done
shift
exec chroot --userspec=65532:65532 "$image" /usr/local/bin/node "$@"
`;

/** Places for volumes, as a runtime makes them above an image. */
export function makeMountPoints(image: string, paths: readonly string[], hosts: string): void {
  for (const path of ["/proc", "/dev", ...paths]) mkdirSync(join(image, path), { recursive: true });
  mkdirSync(join(image, "etc"), { recursive: true });
  writeFileSync(join(image, "etc", "hosts"), hosts);
}

/** A container without an engine: its own mounts, a read-only root, user 65532, and the network of who starts it. */
export class SimulatedContainer {
  /** Its exit code; null when a signal ended it. */
  readonly exited: Promise<number | null>;
  readonly #child: Child;
  #output = "";

  constructor(start: ContainerStart) {
    const mounts = start.mounts.flatMap(({ source, path }) => [source, path]);
    const args = ["-m", "sh", "-c", script, "sh", start.image, ...mounts, "--", ...start.args];
    this.#child = spawn("unshare", args, {
      env: { PATH: process.env["PATH"], ...start.environment },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.exited = once(this.#child, "close").then(() => this.#child.exitCode);
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => (this.#output += text));
    }
  }

  /** What it said. */
  get output(): string {
    return this.#output;
  }

  get hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  /** User, and whether the root of its files is read-only, as the kernel says. */
  readRights(): { user: string; isRootReadOnly: boolean; capabilities: string } {
    const status = readFileSync(`/proc/${this.#child.pid}/status`, "utf8");
    const mounts = readFileSync(`/proc/${this.#child.pid}/mountinfo`, "utf8");
    const rootMount = mounts.split("\n").find((line) => line.split(" ")[4] === "/");
    return {
      user: /^Uid:\t(\d+)/m.exec(status)?.[1] ?? "",
      capabilities: /^CapEff:\t([0-9a-f]+)/m.exec(status)?.[1] ?? "",
      isRootReadOnly: rootMount?.split(" ")[5]?.split(",").includes("ro") === true,
    };
  }

  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.exited;
  }
}

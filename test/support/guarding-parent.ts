/** Starts its argument as a guarded shell script and prints its pid and whatever it prints. A test kills this process. */
import { spawnGuarded } from "../../packages/local/src/guarded-process.ts";

const child = spawnGuarded(
  {
    command: "/bin/sh",
    args: ["-c", process.argv[2] ?? ""],
    environment: { PATH: process.env["PATH"] ?? "" },
    workingDirectory: "/",
  },
  (line) => process.stdout.write(`${line}\n`),
);
process.stdout.write(`${child.pid}\n`);

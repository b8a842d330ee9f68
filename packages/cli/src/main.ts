#!/usr/bin/env node
import { join } from "node:path";
import { runMain, type Running } from "@sluice/kit";
import { endWithParent } from "./parent-watch.ts";
import { runProgram } from "./program.ts";

// Whoever starts it by hand may leave it running in the background; a script of npm ends with npm.
if (process.env["npm_lifecycle_event"] !== undefined) endWithParent();

await runMain(async () => {
  let running: Running | undefined;
  process.exitCode = await runProgram(process.argv.slice(2), {
    environment: process.env,
    root: join(import.meta.dirname, "..", "..", ".."),
    stdout: process.stdout,
    stderr: process.stderr,
    keepRunning: (started) => {
      running = started;
    },
  });
  return running;
});

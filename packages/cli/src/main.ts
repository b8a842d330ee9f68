#!/usr/bin/env node
import { join } from "node:path";
import { runMain, type Running } from "@sluice/kit";
import { runProgram } from "./program.ts";

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

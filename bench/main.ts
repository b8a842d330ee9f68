import { readdirSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { Bench, BenchOptions } from "./harness/bench.ts";
import { describeMachine, readMachineFacts } from "./harness/machine-facts.ts";
import { printTable } from "./harness/table.ts";

const usage = `usage: npm run bench [-- [name…] [--seconds 3] [--rounds n] [--json] [--list]]
Without names every bench runs. Tables go to standard output, progress to standard error.
`;

/** Every file beside this one is a bench, named as its file. */
function findNames(): readonly string[] {
  const files = readdirSync(import.meta.dirname).filter((file) => file.endsWith(".ts") && file !== "main.ts");
  return files.map((file) => file.replace(/\.ts$/, "")).toSorted();
}

async function loadBench(name: string): Promise<Bench> {
  const module = (await import(join(import.meta.dirname, `${name}.ts`))) as { bench?: Bench };
  if (module.bench === undefined) throw new Error(`bench/${name}.ts exports no bench`);
  return module.bench;
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      seconds: { type: "string", default: "3" },
      rounds: { type: "string" },
      json: { type: "boolean", default: false },
      list: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  const names = findNames();
  if (values.help || values.list) {
    process.stdout.write(values.help ? usage : "");
    for (const name of names)
      process.stdout.write(`  ${name.padEnd(14)} ${(await loadBench(name)).question}\n`);
    return 0;
  }
  const unknown = positionals.filter((name) => !names.includes(name));
  const seconds = Number(values.seconds);
  const rounds = values.rounds === undefined ? undefined : Number(values.rounds);
  if (unknown.length > 0 || !(seconds >= 1) || !((rounds ?? 1) >= 1)) {
    const hint = `there is no bench ${unknown.join(", ")}; --list shows them\n`;
    process.stderr.write(unknown.length > 0 ? hint : usage);
    return 64;
  }
  const wanted = positionals.length > 0 ? positionals : names;
  await runBenches(wanted, { seconds, ...(rounds !== undefined && { rounds }), log: logLine }, values.json);
  return 0;
}

function logLine(line: string): void {
  process.stderr.write(`${line}\n`);
}

async function runBenches(names: readonly string[], options: BenchOptions, isJson: boolean): Promise<void> {
  const machine = readMachineFacts();
  const results = [];
  if (!isJson) process.stdout.write(`${describeMachine(machine)}\n\n`);
  for (const name of names) {
    const tables = await (await loadBench(name)).run(options);
    results.push({ name, tables });
    if (!isJson) process.stdout.write(`${tables.map(printTable).join("\n")}\n`);
  }
  if (isJson) process.stdout.write(`${JSON.stringify({ machine, ...options, results }, undefined, 2)}\n`);
}

process.exitCode = await main();

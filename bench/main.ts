import { readdirSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { Bench } from "./harness/bench.ts";
import { describeMachine, readMachineFacts } from "./harness/machine-facts.ts";
import { printTable } from "./harness/table.ts";

const usage = `usage: npm run bench [-- [name…] [--seconds 3] [--rounds 3] [--json] [--list]]
Without names every bench runs. Tables go to standard output, progress to standard error.
`;

/** Every file beside this one is a bench, named as its file. */
async function loadBenches(): Promise<Map<string, Bench>> {
  const benches = new Map<string, Bench>();
  const files = readdirSync(import.meta.dirname).filter((file) => file.endsWith(".ts") && file !== "main.ts");
  for (const file of files.toSorted()) {
    const module = (await import(join(import.meta.dirname, file))) as { bench: Bench };
    benches.set(file.replace(/\.ts$/, ""), module.bench);
  }
  return benches;
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      seconds: { type: "string", default: "3" },
      rounds: { type: "string", default: "3" },
      json: { type: "boolean", default: false },
      list: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  const benches = await loadBenches();
  if (values.help || values.list) {
    const lines = [...benches].map(([name, { question }]) => `  ${name.padEnd(20)} ${question}\n`);
    process.stdout.write((values.help ? usage : "") + lines.join(""));
    return 0;
  }
  const unknown = positionals.filter((name) => !benches.has(name));
  const [seconds, rounds] = [Number(values.seconds), Number(values.rounds)];
  if (unknown.length > 0 || !(seconds >= 1) || !(rounds >= 1)) {
    const hint = `there is no bench ${unknown.join(", ")}; --list shows them\n`;
    process.stderr.write(unknown.length > 0 ? hint : usage);
    return 64;
  }
  await runBenches(benches, positionals.length > 0 ? positionals : [...benches.keys()], {
    seconds,
    rounds,
    isJson: values.json,
  });
  return 0;
}

async function runBenches(
  benches: ReadonlyMap<string, Bench>,
  names: readonly string[],
  options: { readonly seconds: number; readonly rounds: number; readonly isJson: boolean },
): Promise<void> {
  const machine = readMachineFacts();
  const log = (line: string): void => void process.stderr.write(`${line}\n`);
  const results = [];
  if (!options.isJson) process.stdout.write(`${describeMachine(machine)}\n\n`);
  for (const name of names) {
    const tables = await benches.get(name)?.run({ seconds: options.seconds, rounds: options.rounds, log });
    results.push({ name, tables });
    if (!options.isJson) process.stdout.write(`${tables?.map(printTable).join("\n")}\n`);
  }
  if (options.isJson)
    process.stdout.write(`${JSON.stringify({ machine, ...options, results }, undefined, 2)}\n`);
}

process.exitCode = await main();

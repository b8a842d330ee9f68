/**
 * Records what Knative's queue-proxy does: `KNATIVE_QUEUE_PROXY=<its binary> node test/sidecar/parity/record.ts [part of a group's name]`.
 * It needs the ports 8022, 9090 and 9091. Then it asks ours the same and names what differs and is not explained yet; `--accept`
 * writes that into differences.json under the row "?", to be replaced by a row of docs/compatibility.md.
 */
import { writeFileSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import { battery } from "./battery.ts";
import { knativeFile, differencesFile, readDifferences, readKnative, toExplained } from "./recorded.ts";
import { runGroup, type Outcome } from "./run-group.ts";
import { createKnativeStarter, startSluice } from "./subject.ts";

const program = process.env["KNATIVE_QUEUE_PROXY"] ?? "";
const flags = process.argv.slice(2);
const part = flags.find((flag) => !flag.startsWith("--")) ?? "";
const knative = readKnative();
const differences = readDifferences();
const explained = toExplained(differences);
const open: Record<string, Outcome> = {};

for (const group of battery.filter(({ name }) => name.includes(part))) {
  process.stdout.write(`${group.name}\n`);
  if (program !== "")
    Object.assign(knative, Object.fromEntries(await runGroup(group, createKnativeStarter(program))));
  for (const [id, outcome] of await runGroup(group, startSluice)) {
    if (isDeepStrictEqual(outcome, knative[id]) || isDeepStrictEqual(outcome, explained.get(id))) continue;
    open[id] = outcome;
    report(id, knative[id] ?? [], outcome);
  }
}
const ids = battery.flatMap((group) => group.cases.map(({ id }) => id));
const known = new Set(ids);
const kept = Object.fromEntries(ids.map((id) => [id, knative[id]]));
writeFileSync(knativeFile, `${JSON.stringify(kept, null, 2)}\n`);
if (flags.includes("--accept")) accept();
process.exit(0);

function report(id: string, theirs: Outcome, ours: Outcome): void {
  process.stdout.write(`  ${id}\n`);
  for (const line of theirs) if (!ours.includes(line)) process.stdout.write(`    Knative: ${line}\n`);
  for (const line of ours) if (!theirs.includes(line)) process.stdout.write(`    Sluice:  ${line}\n`);
}

/** Explanations that no case needs any more go, open ones come in. */
function accept(): void {
  const still = differences.map(({ row, cases }) => ({
    row,
    cases: Object.fromEntries(
      Object.entries(cases).filter(
        ([id, outcome]) =>
          known.has(id) && open[id] === undefined && !isDeepStrictEqual(outcome, knative[id]),
      ),
    ),
  }));
  const all = [...still, { row: "?", cases: open }].filter(({ cases }) => Object.keys(cases).length > 0);
  writeFileSync(differencesFile, `${JSON.stringify(all, null, 2)}\n`);
}

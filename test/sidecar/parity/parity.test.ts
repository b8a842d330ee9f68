import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { battery } from "./battery.ts";
import { readDifferences, readKnative, toExplained } from "./recorded.ts";
import { runGroup } from "./run-group.ts";
import { createKnativeStarter, startSluice } from "./subject.ts";

const knative = readKnative();
const differences = readDifferences();
const explained = toExplained(differences);
const program = process.env["KNATIVE_QUEUE_PROXY"];
const page = readFileSync(join(import.meta.dirname, "../../../docs/compatibility.md"), "utf8");

describe.each(battery)("$name", (group) => {
  test("what client and app see is what they see with Knative's queue-proxy, or the difference is explained", async () => {
    const outcomes = await runGroup(group, startSluice);
    expect([...outcomes.keys()].toSorted()).toEqual(group.cases.map(({ id }) => id).toSorted());
    for (const [id, outcome] of outcomes) {
      // Nearer to Knative than we know of is no fault.
      if (outcome.join("\n") === knative[id]?.join("\n")) continue;
      expect({ [id]: outcome }).toEqual({ [id]: explained.get(id) ?? knative[id] });
    }
  });

  test.runIf(program !== undefined)("the recording is what Knative's queue-proxy does", async () => {
    for (const [id, outcome] of await runGroup(group, createKnativeStarter(program ?? ""))) {
      expect({ [id]: outcome }).toEqual({ [id]: knative[id] });
    }
  });
});

test("every case has a name of its own", () => {
  const ids = battery.flatMap(({ cases }) => cases.map(({ id }) => id));
  expect(new Set(ids).size).toBe(ids.length);
});

test.each(differences)("docs/compatibility.md says why: $row", ({ row }) => {
  expect(page).toContain(`\n| ${row} |`);
});

import { findOwner } from "@sluice/core";
import { describe, expect, test } from "vitest";

const keys = Array.from({ length: 3000 }, (_, index) => `default/hello-${String(index).padStart(5, "0")}`);
const members = ["aggregator-0", "aggregator-1", "aggregator-2"];

function countByOwner(among: string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const key of keys) {
    const owner = findOwner(key, among) ?? "nobody";
    counts.set(owner, (counts.get(owner) ?? 0) + 1);
  }
  return counts;
}

describe("rendezvous hashing", () => {
  test("has no owner without members", () => {
    expect(findOwner("default/hello", [])).toBeUndefined();
  });

  test("does not depend on the order in which members are known", () => {
    for (const key of keys) {
      expect(findOwner(key, members)).toBe(findOwner(key, members.toReversed()));
    }
  });

  test("shares similar names out evenly", () => {
    const counts = countByOwner(members);
    expect([...counts.keys()].toSorted()).toEqual(members);
    for (const count of counts.values()) {
      expect(count).toBeGreaterThan(850);
      expect(count).toBeLessThan(1150);
    }
  });

  test("moves only the keys of the member that left", () => {
    const rest = members.filter((member) => member !== "aggregator-1");
    const stayed = keys.filter((key) => findOwner(key, members) !== "aggregator-1");
    expect(stayed.length).toBeGreaterThan(0);
    for (const key of stayed) expect(findOwner(key, rest)).toBe(findOwner(key, members));
  });
});

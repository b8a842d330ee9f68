import { expect, test } from "vitest";
import { Hearing } from "../../packages/aggregator/src/hearing.ts";
import { SteadyTime } from "../../packages/aggregator/src/steady-time.ts";
import { ManualClock } from "../support/manual-clock.ts";

function createHearing(activators: readonly string[]) {
  const clock = new ManualClock();
  const time = new SteadyTime(clock);
  const hearing = new Hearing(time);
  hearing.setActivators(activators);
  return { clock, time, hearing };
}

test("is complete without activators, and with a connection for each", () => {
  expect(createHearing([]).hearing.isComplete).toBe(true);
  const { hearing } = createHearing(["a", "b"]);
  const connections = [{ names: new Set<string>() }, { names: new Set<string>() }] as const;
  hearing.open(connections[0]);
  expect(hearing.isComplete).toBe(false);
  hearing.open(connections[1]);
  expect(hearing.isComplete).toBe(true);
});

test("two connections of one activator are not two activators", () => {
  const { hearing } = createHearing(["a", "b"]);
  for (let index = 0; index < 2; index++) {
    const connection = { names: new Set<string>() };
    hearing.open(connection);
    hearing.identify(connection, "a");
  }
  expect(hearing.isComplete).toBe(false);
});

test("a connection that breaks counts as not heard until now", () => {
  const { clock, time, hearing } = createHearing(["a"]);
  const connection = { names: new Set<string>() };
  hearing.open(connection);
  clock.advance(5000);
  hearing.close(connection);
  clock.advance(3000);
  expect(hearing.lastIncompleteMs).toBe(time.nowMs());
  hearing.open(connection);
  const backAtMs = time.nowMs();
  clock.advance(7000);
  expect(hearing.lastIncompleteMs).toBe(backAtMs);
});

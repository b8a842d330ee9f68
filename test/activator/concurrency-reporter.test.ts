import type { ObjectKey, RevisionStat } from "@sluice/core";
import { describe, expect, test } from "vitest";
import {
  ConcurrencyReporter,
  type CountedRevision,
} from "../../packages/activator/src/concurrency-reporter.ts";
import { ManualClock } from "../support/manual-clock.ts";

function makeRevision(key: ObjectKey): CountedRevision {
  return { key, counted: undefined };
}

const startSeconds = Date.UTC(2026, 10, 23, 10) / 1000;

/** A reporter whose connections are flags, and everything that it wrote. */
function build(
  part: { isOpen?: boolean; owners?: (key: ObjectKey) => string | undefined; held?: number } = {},
) {
  const clock = new ManualClock();
  const open = new Set(part.isOpen === false ? [] : ["aggregator-0"]);
  const written: { owner: string; stat: RevisionStat }[] = [];
  const reporter = new ConcurrencyReporter({
    name: "activator-0",
    clock,
    countHeld: () => part.held ?? 0,
    sink: {
      findOwner: part.owners ?? (() => "aggregator-0"),
      isOpen: (owner) => open.has(owner),
      write(owner, batch) {
        if (!open.has(owner)) return false;
        for (const stat of batch) written.push({ owner, stat });
        return true;
      },
    },
  });
  const values = () =>
    written.map(({ stat: { stat } }) => [stat.averageConcurrentRequests, stat.requestCount]);
  const stamps = () => written.map(({ stat: { stat } }) => stat.timestamp - startSeconds);
  return { clock, reporter, open, written, values, stamps, hello: makeRevision("default/hello-00001") };
}

describe("the sequences that Knative's reporter gives", () => {
  test("two short requests one after the other", () => {
    const { clock, reporter, values, hello } = build();
    reporter.requestIn(hello, false);
    clock.advance(1);
    reporter.requestOut(hello);
    reporter.requestIn(hello, false);
    clock.advance(1);
    reporter.requestOut(hello);
    reporter.report(startSeconds);
    expect(values()).toEqual([
      [1, 1],
      [0, 1],
    ]);
  });

  test("two that stay: the first report leaves out the one that was announced", () => {
    const { clock, reporter, values, hello } = build();
    reporter.requestIn(hello, false);
    reporter.requestIn(hello, false);
    clock.advance(1);
    reporter.report(startSeconds);
    clock.advance(1);
    reporter.report(startSeconds + 1);
    expect(values()).toEqual([
      [1, 1],
      [1, 1],
      [2, 0],
    ]);
  });

  test("a second of nothing is reported and forgets the revision, so that the next request is announced again", () => {
    const { clock, reporter, values, hello } = build();
    reporter.requestIn(hello, false);
    clock.advance(1);
    reporter.requestOut(hello);
    reporter.report(startSeconds);
    clock.advance(1);
    reporter.report(startSeconds + 1);
    expect(reporter.size).toBe(0);
    clock.advance(1);
    reporter.requestIn(hello, false);
    expect(values()).toEqual([
      [1, 1],
      [0, 0],
      [0, 0],
      [1, 1],
    ]);
  });

  test("a report at the time of the last event adds nothing", () => {
    const { clock, reporter, values, hello } = build();
    reporter.requestIn(hello, false);
    reporter.requestIn(hello, false);
    clock.advance(1);
    reporter.requestOut(hello);
    clock.advance(1);
    reporter.requestOut(hello);
    reporter.report(startSeconds);
    expect(values()).toEqual([
      [1, 1],
      [0.5, 1],
    ]);
  });
});

describe("without an open connection", () => {
  test("nothing was announced, so the first report leaves nothing out", () => {
    const { clock, reporter, open, values, hello } = build({ isOpen: false });
    reporter.requestIn(hello, true);
    clock.advance(500);
    open.add("aggregator-0");
    reporter.report(startSeconds);
    expect(values()).toEqual([[1, 1]]);
  });

  test("counting goes on, and the next report carries what was missed", () => {
    const { clock, reporter, open, values, hello } = build();
    reporter.requestIn(hello, false);
    clock.advance(1000);
    reporter.report(startSeconds);
    open.clear();
    for (let second = 1; second <= 3; second++) {
      reporter.requestIn(hello, false);
      clock.advance(1000);
      reporter.requestOut(hello);
      reporter.report(startSeconds + second);
    }
    open.add("aggregator-0");
    reporter.report(startSeconds + 4);
    expect(values()).toEqual([
      [1, 1],
      [0, 0],
      [2, 3],
    ]);
  });

  test("a revision whose requests all ended meanwhile is still reported before it is forgotten", () => {
    const { clock, reporter, open, values, hello } = build({ isOpen: false });
    reporter.requestIn(hello, false);
    clock.advance(400);
    reporter.requestOut(hello);
    clock.advance(600);
    reporter.report(startSeconds);
    expect(reporter.size).toBe(1);
    open.add("aggregator-0");
    reporter.report(startSeconds + 1);
    expect(values()).toEqual([[0.4, 1]]);
  });

  test("when it opens, revisions with anything in flight are told at once, others not", () => {
    const { clock, reporter, open, written, values, hello } = build({ isOpen: false, held: 2 });
    reporter.requestIn(hello, true);
    reporter.requestIn(hello, true);
    const done = makeRevision("default/done");
    reporter.requestIn(done, true);
    clock.advance(300);
    reporter.requestOut(done);
    open.add("aggregator-0");
    reporter.resend("aggregator-0");
    expect(values()).toEqual([[2, 2]]);
    expect(written[0]?.stat.stat.held).toBe(2);
  });
});

describe("one stat for each second", () => {
  test("a report of the second in which a new connection was told everything is skipped and made up for", () => {
    const { clock, reporter, values, stamps, hello } = build();
    reporter.requestIn(hello, false);
    clock.advance(500);
    reporter.report(startSeconds);
    clock.advance(700);
    reporter.resend("aggregator-0");
    clock.advance(300);
    reporter.report(startSeconds + 1);
    clock.advance(1000);
    reporter.report(startSeconds + 2);
    expect(values().slice(1)).toEqual([
      [0, 0],
      [1, 0],
      [1, 0],
    ]);
    expect(stamps().slice(1)).toEqual([0, 1, 2]);
  });

  test("a connection that comes back within a second of the last report speaks for the next second", () => {
    const { clock, reporter, stamps, hello } = build();
    reporter.requestIn(hello, false);
    clock.advance(500);
    reporter.report(startSeconds);
    clock.advance(100);
    reporter.resend("aggregator-0");
    clock.advance(900);
    reporter.report(startSeconds + 1);
    expect(stamps().slice(1)).toEqual([0, 1]);
  });

  test("a wall clock that was set back does not silence it", () => {
    const { clock, reporter, stamps, hello } = build();
    reporter.requestIn(hello, false);
    clock.advance(500);
    reporter.report(startSeconds);
    clock.jump(-3_600_000);
    clock.advance(1000);
    reporter.report(startSeconds - 3599);
    expect(stamps().at(-1)).toBe(-3599);
  });
});

test("each revision's stats go to the aggregator that owns it", () => {
  const owners: Record<string, string> = { "default/a": "aggregator-0", "default/b": "aggregator-1" };
  const { clock, reporter, open, written } = build({ owners: (key) => owners[key] });
  open.add("aggregator-1");
  reporter.requestIn(makeRevision("default/a"), false);
  reporter.requestIn(makeRevision("default/b"), false);
  clock.advance(1000);
  reporter.report(startSeconds);
  expect(written.map(({ owner, stat }) => `${owner} ${stat.namespace}/${stat.name}`)).toEqual([
    "aggregator-0 default/a",
    "aggregator-1 default/b",
    "aggregator-0 default/a",
    "aggregator-1 default/b",
  ]);
});

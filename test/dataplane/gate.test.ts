import { describe, expect, test } from "vitest";
import { Gate, GatePass } from "@sluice/dataplane";

/** Lets everything run that a slot coming free could start. */
async function settle(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

function createVisitors(count: number): { passes: GatePass[]; admitted: number[] } {
  const admitted: number[] = [];
  const passes = Array.from(
    { length: count },
    (_, index) => new GatePass({ onAdmitted: () => void admitted.push(index) }),
  );
  return { passes, admitted };
}

function at(passes: readonly GatePass[], index: number): GatePass {
  const pass = passes[index];
  if (pass === undefined) throw new Error(`there is no pass ${index}`);
  return pass;
}

describe("Gate", () => {
  test("lets as many through as it may, holds as many as it may, and refuses the next", async () => {
    const gate = new Gate({ concurrency: 2, queueDepth: 3 });
    const { passes, admitted } = createVisitors(6);
    for (const pass of passes.slice(0, 5)) gate.enter(pass);
    await settle();
    expect(admitted).toEqual([0, 1]);
    expect(gate.waiting).toBe(3);
    expect(() => gate.enter(at(passes, 5))).toThrow(expect.objectContaining({ code: "queue-full" }));
    expect(gate.inFlight).toBe(5);
  });

  test("is not shut by a visitor that throws", () => {
    const gate = new Gate({ concurrency: 1, queueDepth: 1 });
    const bad = new GatePass({
      onAdmitted: () => {
        throw new Error("no");
      },
    });
    expect(() => gate.enter(bad)).toThrow("no");
    gate.leave(bad);
    const { passes, admitted } = createVisitors(1);
    gate.enter(at(passes, 0));
    expect(admitted).toEqual([0]);
  });

  test("admits at once, before enter returns, while a slot is free", () => {
    const gate = new Gate({ concurrency: 1, queueDepth: 0 });
    const { passes, admitted } = createVisitors(1);
    gate.enter(at(passes, 0));
    expect(admitted).toEqual([0]);
  });

  test("admits in the order of arrival as slots come free", async () => {
    const gate = new Gate({ concurrency: 1, queueDepth: 10 });
    const { passes, admitted } = createVisitors(4);
    for (const pass of passes) gate.enter(pass);
    for (const pass of passes) {
      await settle();
      gate.leave(pass);
    }
    expect(admitted).toEqual([0, 1, 2, 3]);
    expect(gate.inFlight).toBe(0);
  });

  test.each([
    ["first", 1],
    ["in the middle", 2],
    ["last", 3],
  ])("a visitor that is %s in the line leaves it at once and is never admitted", async (_where, leaver) => {
    const gate = new Gate({ concurrency: 1, queueDepth: 3 });
    const { passes, admitted } = createVisitors(5);
    for (const pass of passes.slice(0, 4)) gate.enter(pass);
    gate.leave(at(passes, leaver));
    expect(gate.waiting).toBe(2);
    gate.enter(at(passes, 4));
    for (const index of [0, 1, 2, 3, 4].filter((each) => each !== leaver)) {
      await settle();
      gate.leave(at(passes, index));
    }
    expect(admitted).toEqual([0, 1, 2, 3, 4].filter((each) => each !== leaver));
  });

  test("leaving twice gives one slot back", async () => {
    const gate = new Gate({ concurrency: 1, queueDepth: 2 });
    const { passes, admitted } = createVisitors(3);
    for (const pass of passes) gate.enter(pass);
    gate.leave(at(passes, 0));
    gate.leave(at(passes, 0));
    await settle();
    expect(admitted).toEqual([0, 1]);
  });

  test("never has more through than the limit, whatever the order of entering and leaving", async () => {
    const gate = new Gate({ concurrency: 3, queueDepth: 1000 });
    let through = 0;
    let most = 0;
    const open: GatePass[] = [];
    for (let round = 0; round < 500; round++) {
      const pass = new GatePass({
        onAdmitted() {
          through++;
          most = Math.max(most, through);
        },
      });
      gate.enter(pass);
      open.push(pass);
      if (round % 3 !== 0) continue;
      // A multiplicative step picks passes that wait and passes that are through, in a fixed order.
      const [leaver] = open.splice((round * 7) % open.length, 1);
      if (leaver === undefined) continue;
      if (leaver.state === "through") through--;
      gate.leave(leaver);
      await settle();
    }
    expect(most).toBe(3);
    expect(through).toBe(3);
  });

  test("visitors that come and go behind a stuck one leave nothing behind", () => {
    const gate = new Gate({ concurrency: 1, queueDepth: 1 });
    const { passes } = createVisitors(1);
    gate.enter(at(passes, 0));
    for (let round = 0; round < 1000; round++) {
      const pass = new GatePass({ onAdmitted: () => undefined });
      gate.enter(pass);
      gate.leave(pass);
    }
    expect(gate.waiting).toBe(0);
    expect(gate.inFlight).toBe(1);
  });

  test("nobody passes a gate of 0 until it is raised; a lowered one lets those inside finish", async () => {
    const gate = new Gate({ concurrency: 0, queueDepth: 10 });
    const { passes, admitted } = createVisitors(4);
    for (const pass of passes) gate.enter(pass);
    await settle();
    expect(admitted).toEqual([]);
    gate.resize({ concurrency: 2, queueDepth: 10 });
    await settle();
    expect(admitted).toEqual([0, 1]);
    gate.resize({ concurrency: 1, queueDepth: 10 });
    gate.leave(at(passes, 0));
    await settle();
    expect(admitted).toEqual([0, 1]);
    gate.leave(at(passes, 1));
    await settle();
    expect(admitted).toEqual([0, 1, 2]);
  });

  test("a long line of visitors that leave as soon as they are called is served to its end", () => {
    const gate = new Gate({ concurrency: 1, queueDepth: 100_000 });
    const { passes } = createVisitors(1);
    gate.enter(at(passes, 0));
    let called = 0;
    for (let index = 0; index < 100_000; index++) {
      const pass = new GatePass({
        onAdmitted() {
          called++;
          gate.leave(pass);
        },
      });
      gate.enter(pass);
    }
    gate.leave(at(passes, 0));
    expect([called, gate.inFlight, gate.waiting]).toEqual([100_000, 0, 0]);
  });
});

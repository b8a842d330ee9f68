import { beforeEach, describe, expect, test } from "vitest";
import { DeadlineQueue } from "@sluice/dataplane";
import { ManualClock } from "../support/manual-clock.ts";

class Owner {
  readonly name: string;
  readonly heard: string[];

  constructor(name: string, heard: string[]) {
    this.name = name;
    this.heard = heard;
  }

  onDeadline(kind: string): void {
    this.heard.push(`${this.name} ${kind}`);
  }
}

describe("DeadlineQueue", () => {
  let clock: ManualClock;
  let heard: string[];
  let queue: DeadlineQueue<string>;

  beforeEach(() => {
    clock = new ManualClock();
    heard = [];
    queue = new DeadlineQueue("idle", 100, clock);
  });

  test("each owner hears once, at its own time", () => {
    queue.start(new Owner("a", heard));
    clock.advance(40);
    queue.start(new Owner("b", heard));
    clock.advance(59);
    expect(heard).toEqual([]);
    clock.advance(1);
    expect(heard).toEqual(["a idle"]);
    clock.advance(40);
    expect(heard).toEqual(["a idle", "b idle"]);
    clock.advance(1000);
    expect(heard).toHaveLength(2);
  });

  test("a cancelled wait is silent, and those behind it keep their time", () => {
    const first = queue.start(new Owner("a", heard));
    clock.advance(30);
    queue.start(new Owner("b", heard));
    queue.cancel(first);
    queue.cancel(first);
    clock.advance(99);
    expect(heard).toEqual([]);
    clock.advance(1);
    expect(heard).toEqual(["b idle"]);
  });

  test("a restarted wait has its full time again", () => {
    const first = queue.start(new Owner("a", heard));
    queue.start(new Owner("b", heard));
    clock.advance(60);
    queue.restart(first);
    clock.advance(40);
    expect(heard).toEqual(["b idle"]);
    clock.advance(60);
    expect(heard).toEqual(["b idle", "a idle"]);
    queue.restart(first);
    clock.advance(1000);
    expect(heard).toHaveLength(2);
  });

  test("a limit of 0 ends the wait as soon as time moves", () => {
    const now = new DeadlineQueue("request", 0, clock);
    now.start(new Owner("a", heard));
    clock.advance(0);
    expect(heard).toEqual(["a request"]);
  });
});

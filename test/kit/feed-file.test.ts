import { openFeed } from "@sluice/kit";
import type { FeedObject } from "@sluice/core";
import { mkdtempSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Inbox } from "../support/inbox.ts";
import { createRecordingLog } from "../support/recording-log.ts";

let folder = "";
const cleanups: (() => Promise<void>)[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "sluice-feed-"));
});

afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup();
  rmSync(folder, { recursive: true });
});

function open(file: string) {
  const snapshots = new Inbox<string[]>();
  const recorded = createRecordingLog();
  const feed = openFeed(file, {
    log: recorded.log,
    onSnapshot: (objects: ReadonlyMap<string, FeedObject>) => snapshots.push([...objects.keys()]),
  });
  cleanups.push(() => feed.close());
  return { feed, snapshots, ...recorded };
}

function activator(name: string): string {
  return `kind: activator\nname: ${name}\naddress: 127.0.0.1\nports: { public: 8000 }\n`;
}

describe("feed file", () => {
  test("a document each, and a list, are the same feed", async () => {
    const file = join(folder, "feed.yaml");
    writeFileSync(file, `${activator("a")}---\n${activator("b")}`);
    const { feed, snapshots } = open(file);
    await feed.ready;
    expect([feed.isConnected, feed.version]).toEqual([true, "file.1"]);
    expect(await snapshots.next()).toEqual(["activator/a", "activator/b"]);
    const asItem = (name: string): string => `- ${activator(name).trimEnd().replaceAll("\n", "\n  ")}\n`;
    writeFileSync(file, `${asItem("c")}${asItem("d")}`);
    expect(await snapshots.next()).toEqual(["activator/c", "activator/d"]);
    expect(feed.objects.get("activator/d")).toMatchObject({ kind: "activator", ports: { public: 8000 } });
  });

  test.each([
    ["no YAML", "kind: [\n"],
    ["an object that the schema refuses", "kind: activator\nname: x\n"],
    ["nothing", ""],
    [
      "a bomb of aliases",
      `a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [${"*a,".repeat(20)}]\nc: [${"*b,".repeat(20)}]\n`,
    ],
  ])("a file that holds %s leaves the last good state, logged once", async (_case, text) => {
    const file = join(folder, "feed.yaml");
    writeFileSync(file, activator("a"));
    const { feed, snapshots, messages } = open(file);
    await feed.ready;
    await snapshots.next();
    writeFileSync(file, text);
    writeFileSync(join(folder, "other"), "a change beside it reads the file again");
    await expect.poll(() => messages("warn").length).toBe(1);
    expect(messages("warn")[0]).toContain("keeping the last good state");
    expect([...feed.objects.keys()]).toEqual(["activator/a"]);
    writeFileSync(file, activator("b"));
    expect(await snapshots.next()).toEqual(["activator/b"]);
    expect(messages("info").at(-1)).toContain("good again");
  });

  test("a file that is replaced by a rename, and one behind a link as ConfigMaps are mounted, is followed", async () => {
    writeFileSync(join(folder, "1.yaml"), activator("a"));
    writeFileSync(join(folder, "2.yaml"), activator("b"));
    const file = join(folder, "feed.yaml");
    symlinkSync("1.yaml", file);
    const { snapshots } = open(file);
    expect(await snapshots.next()).toEqual(["activator/a"]);
    symlinkSync("2.yaml", join(folder, "next"));
    renameSync(join(folder, "next"), file);
    expect(await snapshots.next()).toEqual(["activator/b"]);
    unlinkSync(file);
    writeFileSync(join(folder, "next"), activator("c"));
    renameSync(join(folder, "next"), file);
    expect(await snapshots.next()).toEqual(["activator/c"]);
  });
});

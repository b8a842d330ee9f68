import { describe, expect, test } from "vitest";
import { RouteTable } from "../../packages/activator/src/route-table.ts";
import { makeService } from "./support/feed-objects.ts";

function find(table: RouteTable, host: string, isInternal = false): string | undefined {
  return table.find(host, isInternal);
}

function publicHost(host: string, tag?: string): { host: string; visibility: "public"; tag?: string } {
  return tag === undefined ? { host, visibility: "public" } : { host, visibility: "public", tag };
}

describe("hosts", () => {
  const table = new RouteTable(() => 0);
  table.put(makeService());

  test.each([
    "hello.default.example.com",
    "HELLO.default.Example.com",
    "hello.default.example.com:8000",
    "hello.default.example.com.",
  ])("%s leads to its service", (host) => {
    expect(find(table, host)).toBe("default/hello-00001");
  });

  test.each(["other.default.example.com", "example.com", "", "x.hello.default.example.com"])(
    "'%s' leads nowhere",
    (host) => {
      expect(find(table, host)).toBeUndefined();
    },
  );
});

describe("wildcards", () => {
  const table = new RouteTable(() => 0);
  const wild = { revision: "r", percent: 100 };
  for (const [name, host] of [
    ["all", "*"],
    ["com", "*.com"],
    ["example", "*.example.com"],
    ["exact", "a.example.com"],
  ] as const)
    table.put(makeService({ name, hosts: [publicHost(host)], traffic: [{ ...wild, revision: name }] }));

  test.each([
    ["a.example.com", "exact"],
    ["b.example.com", "example"],
    ["x.y.example.com", "example"],
    ["example.com", "com"],
    ["example.org", "all"],
  ])("the most specific name for %s is %s", (host, revision) => {
    expect(find(table, host)).toBe(`default/${revision}`);
  });
});

describe("visibility", () => {
  const table = new RouteTable(() => 0);
  table.put(
    makeService({
      hosts: [publicHost("hello.example.com"), { host: "hello.internal", visibility: "cluster" }],
      traffic: [
        { revision: "hello-00002", percent: 100 },
        { revision: "hello-00001", percent: 0, tag: "old" },
      ],
    }),
  );

  test.each([
    ["hello.internal", "default/hello-00002"],
    ["hello.default", "default/hello-00002"],
    ["hello.default.svc", "default/hello-00002"],
    ["hello.default.svc.cluster.local", "default/hello-00002"],
    ["hello.default.svc.cluster.local:80", "default/hello-00002"],
    ["old-hello.default.svc.cluster.local", "default/hello-00001"],
  ])("%s is for the internal listener only", (host, revision) => {
    expect(find(table, host, true)).toBe(revision);
    expect(find(table, host, false)).toBeUndefined();
  });

  test("a public host is answered on both listeners", () => {
    expect(find(table, "hello.example.com", true)).toBe("default/hello-00002");
    expect(find(table, "hello.example.com", false)).toBe("default/hello-00002");
  });
});

test("a tag's host leads to the tag's revision whatever the split says", () => {
  const table = new RouteTable(() => 0);
  table.put(
    makeService({
      hosts: [publicHost("hello.example.com"), publicHost("old-hello.example.com", "old")],
      traffic: [
        { revision: "new", percent: 100 },
        { revision: "old", percent: 0, tag: "old" },
      ],
    }),
  );
  expect(table.find("old-hello.example.com", false)).toBe("default/old");
  expect(table.find("hello.example.com", false)).toBe("default/new");
});

test("a service that sends its requests nowhere keeps its host to itself, whatever wildcards there are", () => {
  const table = new RouteTable(() => 0);
  table.put(makeService({ name: "all", hosts: [publicHost("*")] }));
  table.put(makeService({ hosts: [publicHost("hello.example.com")], traffic: [] }));
  expect(find(table, "hello.example.com")).toBe("/");
  expect(find(table, "other.example.com")).toBe("default/hello-00001");
});

test("a changed service loses its old hosts and gets its new ones", () => {
  const table = new RouteTable(() => 0);
  table.put(makeService());
  table.put(makeService({ hosts: [publicHost("new.example.com")] }));
  expect(find(table, "hello.default.example.com")).toBeUndefined();
  expect(find(table, "new.example.com")).toBe("default/hello-00001");
  table.delete("service/default/hello");
  expect(find(table, "new.example.com")).toBeUndefined();
});

test("of two services that claim a host the first by key has it, in whatever order they came", () => {
  const hosts = [publicHost("shared.example.com")];
  const first = makeService({ name: "a", hosts, traffic: [{ revision: "a-1", percent: 100 }] });
  const second = makeService({ name: "b", hosts, traffic: [{ revision: "b-1", percent: 100 }] });
  for (const services of [
    [first, second],
    [second, first],
  ]) {
    const table = new RouteTable(() => 0);
    for (const service of services) table.put(service);
    expect(find(table, "shared.example.com")).toBe("default/a-1");
    table.delete("service/default/a");
    expect(find(table, "shared.example.com")).toBe("default/b-1");
  }
});

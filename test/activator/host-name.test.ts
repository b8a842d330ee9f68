import { expect, test } from "vitest";
import { normalizeHost, parseLocalName } from "../../packages/activator/src/host-name.ts";

test.each([
  ["Hello.Default.Example.COM", "hello.default.example.com"],
  ["hello.example.com:8000", "hello.example.com"],
  ["hello.example.com.", "hello.example.com"],
  ["hello.example.com.:80", "hello.example.com"],
  ["127.0.0.1:8000", "127.0.0.1"],
  ["[::1]:8000", "::1"],
  ["[::1]", "::1"],
  ["", undefined],
  [":80", undefined],
  [".", undefined],
  ["user@example.com", undefined],
  ["example.com/path", undefined],
  [undefined, undefined],
  ["a".repeat(300), undefined],
])("the host of %s is %s", (header, host) => {
  expect(normalizeHost(header)).toBe(host);
});

test.each([
  ["hello.default", { name: "hello", namespace: "default" }],
  ["hello.default.svc", { name: "hello", namespace: "default" }],
  ["hello.default.svc.cluster.local", { name: "hello", namespace: "default" }],
  ["hello.default.svc.my.own.domain", { name: "hello", namespace: "default" }],
  ["hello", undefined],
  ["hello.default.example.com", undefined],
  [".default.svc", undefined],
])("%s names %o inside the cluster", (host, local) => {
  expect(parseLocalName(host)).toEqual(local);
});

import { expect, test } from "vitest";
import { toForwarded } from "@sluice/dataplane";

test.each([
  ["nothing", "", "", "", undefined],
  ["one node", "127.0.0.1", "", "", "for=127.0.0.1"],
  ["all three", "127.0.0.1", "http", "a.example", "for=127.0.0.1;host=a.example;proto=http"],
  ["more nodes", "10.0.0.1, 10.0.0.2,10.0.0.3", "", "", "for=10.0.0.1, for=10.0.0.2, for=10.0.0.3"],
  [
    "host and protocol with the first node only",
    "10.0.0.1,10.0.0.2",
    "https",
    "a.example",
    "for=10.0.0.1;host=a.example;proto=https, for=10.0.0.2",
  ],
  ["an IPv6 node", "127.0.0.1,::1", "", "", 'for=127.0.0.1, for="[::1]"'],
  ["an IPv6 node that is bracketed already", "[::1]", "", "", 'for="[::1]"'],
  ["host alone", "", "", "a.example", "host=a.example"],
  ["protocol alone", "", "http", "", "proto=http"],
  ["host and protocol", "", "http", "a.example", "host=a.example;proto=http"],
  ["commas alone", ",,,", "", "", "for=, for=, for="],
])("Forwarded says %s", (_what, forwardedFor, proto, host, expected) => {
  expect(toForwarded(forwardedFor, proto, host)).toBe(expected);
});

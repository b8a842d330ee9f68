import { expect, test } from "vitest";
import { isPodAddress } from "../../packages/scaler/src/pod-address.ts";

test.each(["10.0.0.1", "192.168.1.1", "100.64.0.1", "fd12:3456::1", "2001:db8::5", "64:ff9c::1"])(
  "%s may be a pod's",
  (address) => {
    expect(isPodAddress(address)).toBe(true);
  },
);

test.each([
  "127.0.0.1",
  "127.1",
  "2130706433",
  "0.0.0.0",
  "169.254.169.254",
  "100.100.100.200",
  "::",
  "::1",
  "::127.0.0.1",
  "::ffff:127.0.0.1",
  "0:0:0:0:0:ffff:7f00:1",
  "64:ff9b::a9fe:a9fe",
  "64:ff9b:1::a9fe:a9fe",
  "2002:7f00:1::",
  "fe80::1",
  "fe80::1%eth0",
  "fd00:ec2::254",
  "localhost",
  "",
])("%s leads to a node, to ourselves or to a cloud's metadata, and is no pod's", (address) => {
  expect(isPodAddress(address)).toBe(false);
});

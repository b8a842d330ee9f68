import { BlockList, isIP } from "node:net";

/** Addresses that no pod may have: a pod that claims one would make the data plane call the node, itself, or a cloud's metadata. */
const refused = new BlockList();
refused.addSubnet("0.0.0.0", 8);
refused.addSubnet("127.0.0.0", 8);
refused.addSubnet("169.254.0.0", 16);
refused.addSubnet("224.0.0.0", 4);
refused.addAddress("255.255.255.255");
// Alibaba Cloud's metadata service.
refused.addAddress("100.100.100.200");
// Unspecified, loopback, and IPv4 addresses that were written as IPv6 before RFC 4291.
refused.addSubnet("::", 96, "ipv6");
// A gateway turns these into IPv4 (NAT64, RFC 6052 and 8215; 6to4, RFC 3056): metadata and loopback by another name.
refused.addSubnet("64:ff9b::", 96, "ipv6");
refused.addSubnet("64:ff9b:1::", 48, "ipv6");
refused.addSubnet("2002::", 16, "ipv6");
refused.addSubnet("fe80::", 10, "ipv6");
refused.addSubnet("ff00::", 8, "ipv6");
// Amazon's metadata service.
refused.addAddress("fd00:ec2::254", "ipv6");

/** Whether requests may be sent to `address` as a pod's (DESIGN §4.8). */
export function isPodAddress(address: string): boolean {
  const family = isIP(address);
  // An IPv4 address in IPv6 form is no pod's; the list would also apply such a rule to plain IPv4.
  if (/^(0*:){2,}(0*:)*ffff:/i.test(address)) return false;
  return family !== 0 && !refused.check(address, family === 6 ? "ipv6" : "ipv4");
}

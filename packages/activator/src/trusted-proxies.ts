import { BlockList, isIP } from "node:net";

/**
 * A function that says whether an address is in `text`: addresses, or ranges such as `10.0.0.0/8`, between commas. Throws an
 * Error whose message is the rule that an entry breaks.
 */
export function parseProxies(text: string): (address: string) => boolean {
  const entries = text.split(",").map((entry) => entry.trim());
  const named = entries.filter((entry) => entry !== "");
  if (named.length === 0) return () => false;
  const list = new BlockList();
  for (const entry of named) addEntry(list, entry);
  return (address) => list.check(address, address.includes(":") ? "ipv6" : "ipv4");
}

function addEntry(list: BlockList, entry: string): void {
  const [address = "", prefix, ...rest] = entry.split("/");
  const version = isIP(address);
  const bits = prefix === undefined ? undefined : Number(prefix);
  const isPrefix =
    bits === undefined || (Number.isInteger(bits) && bits >= 0 && bits <= (version === 4 ? 32 : 128));
  if (version === 0 || !isPrefix || rest.length > 0)
    throw new Error("must be addresses or ranges such as 10.0.0.0/8, between commas");
  const family = version === 4 ? "ipv4" : "ipv6";
  if (bits === undefined) list.addAddress(address, family);
  else list.addSubnet(address, bits, family);
}

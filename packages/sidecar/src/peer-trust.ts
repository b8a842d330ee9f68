import { BlockList, isIP, isIPv6 } from "node:net";
import type { HeaderTrust } from "@sluice/dataplane";

/** Who may set internal headers. An empty list trusts everybody, as Knative does. */
export class PeerTrust {
  readonly #trusted: BlockList | undefined;

  /** Addresses and CIDR ranges. Throws RangeError for anything else. */
  constructor(peers: readonly string[]) {
    if (peers.length === 0) return;
    this.#trusted = new BlockList();
    for (const peer of peers) addPeer(this.#trusted, peer);
  }

  of(address: string): HeaderTrust {
    if (this.#trusted === undefined) return "trusted";
    // A dual-stack listener's IPv4 peers are matched as IPv4 too: Node's list does that.
    const family = isIPv6(address) ? "ipv6" : "ipv4";
    return this.#trusted.check(address, family) ? "trusted" : "untrusted";
  }
}

/** Reads addresses and ranges between commas. */
export function parsePeerTrust(text: string): PeerTrust {
  const peers = text.split(",").map((peer) => peer.trim());
  return new PeerTrust(peers.filter((peer) => peer !== ""));
}

function addPeer(list: BlockList, peer: string): void {
  const [address = "", bits] = peer.split("/");
  const family = isIPv6(address) ? "ipv6" : "ipv4";
  const most = family === "ipv6" ? 128 : 32;
  if (isIP(address) === 0 || (bits !== undefined && !(/^\d+$/.test(bits) && Number(bits) <= most))) {
    throw new RangeError("must be addresses and CIDR ranges between commas");
  }
  if (bits === undefined) list.addAddress(address, family);
  else list.addSubnet(address, Number(bits), family);
}

import { BlockList, isIPv6 } from "node:net";
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
    const family = isIPv6(address) ? "ipv6" : "ipv4";
    return this.#trusted.check(address, family) ? "trusted" : "untrusted";
  }
}

function addPeer(list: BlockList, peer: string): void {
  const [address = "", bits] = peer.split("/");
  const family = isIPv6(address) ? "ipv6" : "ipv4";
  if (bits === undefined) list.addAddress(address, family);
  else list.addSubnet(address, Number(bits), family);
}

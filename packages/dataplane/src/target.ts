/** Where a request goes: an address without brackets, and a port. */
export interface Target {
  readonly address: string;
  readonly port: number;
}

/** `address:port`, with the brackets that an IPv6 address needs. */
export function toAuthority(target: Target): string {
  return target.address.includes(":")
    ? `[${target.address}]:${target.port}`
    : `${target.address}:${target.port}`;
}

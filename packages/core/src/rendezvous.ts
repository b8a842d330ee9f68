/**
 * The member that owns `key`: highest random weight (Thaler and Ravishankar, 1998). Every process that knows the
 * same members names the same owner, and a member that leaves moves only its own keys. Undefined without members.
 */
export function findOwner(key: string, members: Iterable<string>): string | undefined {
  let owner: string | undefined;
  let highest = -1;
  for (const member of members) {
    const weight = hash(`${member}\n${key}`);
    if (weight > highest || (weight === highest && owner !== undefined && member < owner)) {
      highest = weight;
      owner = member;
    }
  }
  return owner;
}

/** FNV-1a, 32 bits, with a finalizer (murmur3's) because FNV alone leaves similar names close together. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) {
    value = Math.imul(value ^ text.charCodeAt(index), 0x01000193);
  }
  value = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35);
  return (value ^ (value >>> 16)) >>> 0;
}

/**
 * A virtual address inside a target process.
 *
 * A type of its own, so that a count, a size or an address of ours can never be
 * used by mistake where a byte of the target is about to be read or written.
 */
declare const addressBrand: unique symbol;
export type Address = bigint & { readonly [addressBrand]: true };

/** Largest user-space address of x86-64 with four-level paging, exclusive. */
const userSpaceEnd = 1n << 47n;

/** Makes an address; throws RangeError outside the canonical user half. */
export function address(value: bigint): Address {
  if (value < 0n || value >= userSpaceEnd) {
    throw new RangeError(`not a user-space address: 0x${value.toString(16)}`);
  }
  return value as Address;
}

/** `base + offset`, checked like `address`. */
export function offsetBy(base: Address, offset: bigint | number): Address {
  return address(base + BigInt(offset));
}

/** `0x…`, as every message and event shows an address. */
export function formatAddress(value: bigint): string {
  return `0x${value.toString(16)}`;
}

/**
 * Fields that a transfer function merely copies. The runtime stores to such a field and to its twin without
 * running the function; see struct polus_field in polus_runtime.h.
 */
import { addon, type PatchObject, type PlainField } from "../addon/addon.js";

/** Functions of which it is known what a call of them means; they come from elsewhere than the patch. */
const knownCalls: ReadonlyMap<string, "twin" | "copy" | "end"> = new Map([
  ["polus_twin_of", "twin"],
  ["polus_copy_by", "twin"],
  ["memcpy", "copy"],
  ["__stack_chk_fail", "end"],
  ["abort", "end"],
]);

/** Bytes of `struct polus_field`. */
const entrySize = 8;
const mostFields = 4096;
/** Of a copy as it stands in one entry; a longer one takes several. */
const longest = 128;
const offsets = 1 << 16;

/**
 * Those of one function of a patch.
 * @param address at link time
 */
export function plainFields(
  bytes: Uint8Array,
  object: PatchObject,
  address: bigint,
): readonly PlainField[] {
  const calls = object.relocations.flatMap((relocation) => {
    const symbol = object.symbols[relocation.symbol];
    const call = symbol?.defined === false ? knownCalls.get(symbol.name) : undefined;
    return call === undefined ? [] : [{ slot: relocation.address, call }];
  });
  const fields = addon.plainFields(bytes, address, calls).flatMap(inPieces);
  return fields
    .filter(({ from, fromSize, to, toSize }) => from + fromSize < offsets && to + toSize < offsets)
    .slice(0, mostFields);
}

function inPieces(field: PlainField): readonly PlainField[] {
  const { fromSize, toSize } = field;
  if (fromSize !== toSize || fromSize <= longest) return [field];
  return Array.from({ length: Math.ceil(fromSize / longest) }, (_, piece) => {
    const size = Math.min(longest, fromSize - piece * longest);
    const [from, to] = [field.from + piece * longest, field.to + piece * longest];
    return { from, fromSize: size, to, toSize: size, signed: false };
  });
}

/** As the runtime reads them. */
export function fieldEntries(fields: readonly PlainField[]): Buffer {
  const bytes = Buffer.alloc(fields.length * entrySize);
  fields.forEach(({ from, fromSize, to, toSize, signed }, index) => {
    const at = index * entrySize;
    bytes.writeUInt16LE(from, at);
    bytes.writeUInt16LE(to, at + 2);
    bytes.writeUInt8(fromSize, at + 4);
    bytes.writeUInt8(toSize, at + 5);
    bytes.writeUInt8(signed ? 1 : 0, at + 6);
  });
  return bytes;
}

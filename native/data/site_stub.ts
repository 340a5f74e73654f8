/**
 * The stub of a rewritten store: calls the runtime, which performs the store and says where to go on.
 *
 *            lea -128(%rsp),%rsp      leaves the red zone alone
 *            call *entry              polus_site_entry
 *            jmp *-16(%rsp)           `instead` or `behind`
 *   instead: lea 128(%rsp),%rsp
 *            the store as it was
 *            jmp rest
 *   behind:  lea 128(%rsp),%rsp
 *   rest:    what else the jump stands on, and back
 *       112: polus_site_entry's address
 *       120: the site's entry in the runtime's table
 */
import { addon, type EntryChange } from "../addon/addon.js";
import { jumpLength } from "../hooks/entries.js";
import { Encoder } from "../hooks/encoder.js";
import { codeOf } from "../process/modules.js";
import { pageSize } from "../hooks/placement.js";
import { stubCodeSize, stubSize, type SitePlan } from "./site_table.js";

const entryAt = Number(stubCodeSize);
const siteAt = 120;
const redZone = 128;

/** A store of the program. */
export interface StoreCode {
  readonly address: bigint;
  /** From there on, up to the end of its function at most. */
  readonly code: Buffer;
  /** True if nothing jumps behind the first byte of [start, end). */
  readonly isJumpFree: (start: bigint, end: bigint) => boolean;
}

export interface PlannedStub {
  readonly bytes: Buffer;
  readonly plan: SitePlan;
  readonly change: EntryChange;
}

function relocated(store: StoreCode, from: number, minimum: number, destination: bigint) {
  const room = store.code.length - from;
  return addon.relocateEntry(store.code.subarray(from), {
    address: store.address + BigInt(from),
    minimum,
    room,
    size: room,
    destination,
  });
}

/** `call rel32` and `call *operand`, with what prefixes compilers give them. */
function isCall(code: Buffer, offset: number): boolean {
  let at = offset;
  const isPrefix = (byte = 0): boolean =>
    (byte & 0xf0) === 0x40 || [0x2e, 0x3e, 0x66, 0x67, 0xf2].includes(byte);
  while (isPrefix(code[at])) at += 1;
  const extension = ((code[at + 1] ?? 0) >> 3) & 7;
  return code[at] === 0xe8 || (code[at] === 0xff && (extension === 2 || extension === 3));
}

/** `null`: no jump can stand there. */
export function planStub(
  store: StoreCode,
  stub: bigint,
  runtime: { readonly entry: bigint; readonly site: bigint },
): PlannedStub | null {
  const { address, code } = store;
  const last = address + BigInt(jumpLength) - 1n;
  if (code.length < jumpLength || address / pageSize !== last / pageSize) return null;
  try {
    const encoder = new Encoder(stub);
    encoder.moveStack(-redZone);
    encoder.callThrough(stub + BigInt(entryAt));
    encoder.jumpThroughStack(-16);
    const instead = encoder.here;
    encoder.moveStack(redZone);
    const copyAt = encoder.here;
    const copy = relocated(store, 0, 1, copyAt);
    // Without the jump back behind the instruction.
    encoder.copied(copy.code.subarray(0, copy.code.length - jumpLength));
    if (copy.length < jumpLength && !store.isJumpFree(address + 1n, last + 1n)) return null;
    const behind = encoder.here + 2n;
    encoder.shortJump(behind + 8n);
    encoder.moveStack(redZone);
    const restAt = encoder.here;
    const moved: [number, number][] = [[Number(copyAt - stub), 0]];
    if (copy.length < jumpLength) {
      const rest = relocated(store, copy.length, jumpLength - copy.length, restAt);
      // A thread would be inside the call for long, and its unwinder knows nothing of the stub.
      if (rest.boundaries.some(([original]) => isCall(code, copy.length + original))) return null;
      encoder.copied(rest.code);
      for (const [original, place] of rest.boundaries)
        moved.push([Number(restAt - stub) + place, copy.length + original]);
    } else {
      encoder.jump(address + BigInt(copy.length));
    }
    const bytes = Buffer.alloc(Number(stubSize), 0xcc);
    if (encoder.bytes().length > entryAt) return null;
    bytes.set(encoder.bytes());
    bytes.writeBigUInt64LE(runtime.entry, entryAt);
    bytes.writeBigUInt64LE(runtime.site, siteAt);
    const jump = new Encoder(address);
    jump.jump(stub);
    const original = Buffer.from(code.subarray(0, jumpLength));
    return {
      bytes,
      plan: { original, instead, behind, moved },
      change: {
        address,
        expected: original,
        bytes: jump.bytes(),
        moves: moved
          .filter(([, program]) => program > 0 && program < jumpLength)
          .map(([place, program]) => [address + BigInt(program), stub + BigInt(place)] as const),
      },
    };
  } catch (error) {
    // Out of reach of a displacement, or no code that can be moved.
    if (error instanceof RangeError || codeOf(error) !== null) return null;
    throw error;
  }
}

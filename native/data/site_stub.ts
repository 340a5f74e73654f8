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
 *   lead:    where the jump stands before the store: what it stands on, and to the beginning
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
  /**
   * The instructions right before it, `least` bytes or more, for a jump that has no room behind its beginning;
   * `null` if they are not known.
   */
  readonly lead: (least: number) => Buffer | null;
}

export interface PlannedStub {
  readonly bytes: Buffer;
  readonly plan: SitePlan;
  readonly change: EntryChange;
}

/** As many instructions as take `minimum` bytes, for another place, and a jump to what follows them. */
function relocated(address: bigint, code: Buffer, minimum: number, destination: bigint) {
  const room = code.length;
  return addon.relocateEntry(code, { address, minimum, room, size: room, destination });
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

interface InRuntime {
  readonly entry: bigint;
  readonly site: bigint;
}

/** `null`: no jump can stand there, nor a little before it. */
export function planStub(store: StoreCode, stub: bigint, runtime: InRuntime): PlannedStub | null {
  return (
    orNone(() => planBehind(store, stub, runtime)) ?? orNone(() => planBefore(store, stub, runtime))
  );
}

/** `null` for what is out of reach of a displacement, and for code that cannot be moved. */
function orNone(plan: () => PlannedStub | null): PlannedStub | null {
  try {
    return plan();
  } catch (error) {
    if (error instanceof RangeError || codeOf(error) !== null) return null;
    throw error;
  }
}

/** A jump that is written in one piece. */
function fitsPage(at: bigint): boolean {
  return at / pageSize === (at + BigInt(jumpLength) - 1n) / pageSize;
}

function isJumpFree(store: StoreCode, at: bigint): boolean {
  return store.isJumpFree(at + 1n, at + BigInt(jumpLength));
}

/** The stub up to where the store is done, by the runtime or as it was. */
function beginning(encoder: Encoder, store: StoreCode, stub: bigint) {
  encoder.moveStack(-redZone);
  encoder.callThrough(stub + BigInt(entryAt));
  encoder.jumpThroughStack(-16);
  const instead = encoder.here;
  encoder.moveStack(redZone);
  const copyAt = encoder.here;
  const copy = relocated(store.address, store.code, 1, copyAt);
  // Without the jump back behind the instruction.
  encoder.copied(copy.code.subarray(0, copy.code.length - jumpLength));
  const behind = encoder.here + 2n;
  encoder.shortJump(behind + 8n);
  encoder.moveStack(redZone);
  return { instead, copyAt, length: copy.length, behind };
}

/** What is written where. @throws RangeError if the stub has no room for it */
function assembled(
  encoder: Encoder,
  stub: bigint,
  runtime: InRuntime,
  jump: { readonly at: bigint; readonly to: bigint; readonly original: Buffer },
  site: Omit<SitePlan, "original">,
): PlannedStub {
  const bytes = Buffer.alloc(Number(stubSize), 0xcc);
  if (encoder.bytes().length > entryAt) throw new RangeError("the stub is too small");
  bytes.set(encoder.bytes());
  bytes.writeBigUInt64LE(runtime.entry, entryAt);
  bytes.writeBigUInt64LE(runtime.site, siteAt);
  const code = new Encoder(jump.at);
  code.jump(jump.to);
  return {
    bytes,
    plan: { ...site, original: jump.original },
    change: {
      address: jump.at,
      expected: jump.original,
      bytes: code.bytes(),
      moves: site.moved
        .filter(([, program]) => program > 0 && program < jumpLength)
        .map(([place, program]) => [jump.at + BigInt(program), stub + BigInt(place)] as const),
    },
  };
}

/** In place of the store, and of what follows if it is shorter than a jump. */
function planBehind(store: StoreCode, stub: bigint, runtime: InRuntime): PlannedStub | null {
  const { address, code } = store;
  if (code.length < jumpLength || !fitsPage(address)) return null;
  const encoder = new Encoder(stub);
  const { instead, copyAt, length, behind } = beginning(encoder, store, stub);
  if (length < jumpLength && !isJumpFree(store, address)) return null;
  const restAt = encoder.here;
  const moved: [number, number][] = [[Number(copyAt - stub), 0]];
  if (length < jumpLength) {
    const next = address + BigInt(length);
    const rest = relocated(next, code.subarray(length), jumpLength - length, restAt);
    // A thread would be inside the call for long, and its unwinder knows nothing of the stub.
    if (rest.boundaries.some(([original]) => isCall(code, length + original))) return null;
    encoder.copied(rest.code);
    for (const [original, place] of rest.boundaries)
      moved.push([Number(restAt - stub) + place, length + original]);
  } else {
    encoder.jump(address + BigInt(length));
  }
  const jump = { at: address, to: stub, original: Buffer.from(code.subarray(0, jumpLength)) };
  return assembled(encoder, stub, runtime, jump, { instead, behind, before: 0, moved });
}

/** In place of what comes before the store, and of the store. */
function planBefore(store: StoreCode, stub: bigint, runtime: InRuntime): PlannedStub | null {
  const encoder = new Encoder(stub);
  const { instead, copyAt, length, behind } = beginning(encoder, store, stub);
  encoder.jump(store.address + BigInt(length));
  const lead = store.lead(Math.max(1, jumpLength - length));
  if (lead === null) return null;
  const before = lead.length;
  const at = store.address - BigInt(before);
  if (!fitsPage(at) || !isJumpFree(store, at)) return null;
  const code = Buffer.concat([lead, store.code]);
  const to = encoder.here;
  const copy = relocated(at, code, before, to);
  if (copy.length !== before) return null;
  if (copy.boundaries.some(([original]) => isCall(code, original))) return null;
  encoder.copied(copy.code.subarray(0, copy.code.length - jumpLength));
  encoder.jump(stub);
  const moved: [number, number][] = [[Number(copyAt - stub), before]];
  for (const [original, place] of copy.boundaries)
    moved.push([Number(to - stub) + place, original]);
  const jump = { at, to, original: Buffer.from(code.subarray(0, jumpLength)) };
  return assembled(encoder, stub, runtime, jump, { instead, behind, before, moved });
}

/**
 * Decides whether and how the entry of a function becomes a jump.
 *
 * Usually its first five bytes become `jmp stub`. They must lie on one page, since a kill between
 * the writes of two pages would leave half a jump. Where they do not, or where something else
 * stands against it, there are two other ways:
 *
 *     skip    leave `endbr64` and `push %reg` at the beginning as they are and put the jump behind
 *             them; its stub takes the pushes back before it dispatches
 *     relay   put `jmp stub` into dead padding nearby, and the two bytes of a short jump to there
 *             at the entry
 */
import { addon, type EntryChange, type TargetHandle } from "../addon/addon.js";
import { EngineError } from "../engine.js";
import type { FoundFunction } from "../resolve/functions.js";
import { codeOf, messageOf } from "../process/modules.js";
import { copyRoom, type StubbedEntry } from "./arena.js";
import { Encoder } from "./encoder.js";
import { pageSize } from "./placement.js";

export const jumpLength = 5;
export const shortJumpLength = 2;
/** Most bytes that are left before the jump. */
export const mostSkipped = 8;
const longestLook = 64;
/** Reach of a short jump from its end. */
const shortReach = 127n;

/** How an entry is changed. */
export interface EntryForm {
  /** Bytes of the function before those that change. */
  readonly skipped: number;
  /** Where in dead padding the jump to the stub stands; `null`: at the entry itself. */
  readonly relay: bigint | null;
}

/** An EntryForm with what follows from it; `copy` is from the function's first byte on. */
export interface PlannedEntry extends EntryForm, StubbedEntry {
  /** What changes while threads are held. */
  readonly change: EntryChange & { readonly expected: Buffer; readonly bytes: Buffer };
  /** The jump in dead padding and what stands there in the file. */
  readonly relayed: { readonly original: Buffer; readonly jump: Buffer } | null;
}

/** True if something of ours stands in [start, end) already. */
export type IsTaken = (start: bigint, end: bigint) => boolean;

/** Why one form is not possible. */
class Impossible extends Error {
  constructor(
    readonly code: "FUNCTION_TOO_SHORT" | "ENTRY_NOT_HOOKABLE",
    message: string,
  ) {
    super(message);
  }
}

function notHookable(found: FoundFunction, why: Impossible): EngineError {
  return new EngineError(
    why.code,
    "refused",
    `${found.name} cannot be redirected: ${why.message}`,
    { subject: found.name, help: "replace the functions that call it instead" },
  );
}

function onOnePage(start: bigint, length: number): boolean {
  return start / pageSize === (start + BigInt(length) - 1n) / pageSize;
}

function changedLength(form: EntryForm): number {
  return form.relay === null ? jumpLength : shortJumpLength;
}

/** Bytes up to the next symbol, as far as they matter. */
function roomOf({ module, address }: FoundFunction): number {
  const next = addon.nextFunctionStart(module.handle, address);
  if (next <= address) return 0;
  return Number(next - address < 4096n ? next - address : 4096n);
}

/** The function's code and what follows, as much as there is. */
function codeOfEntry(found: FoundFunction): Buffer {
  const text = found.module.info.text.find(
    (range) => found.address >= range.start && found.address < range.end,
  );
  if (text === undefined)
    throw new Impossible("ENTRY_NOT_HOOKABLE", "it does not lie in the module's code");
  const most = Number(text.end - found.address);
  // The file's part of the last page may end before the page does.
  for (let length = Math.min(longestLook, most); length > 0; length--) {
    try {
      return addon.fileBytes(found.module.handle, found.address, length);
    } catch (error) {
      if (codeOf(error) !== "OUT_OF_RANGE") throw error;
    }
  }
  throw new Impossible("ENTRY_NOT_HOOKABLE", "its code is not in the module's file");
}

const endbr64 = Buffer.from([0xf3, 0x0f, 0x1e, 0xfa]);

/** Length of the harmless instruction at an offset: `endbr64`, or a push of a register; 0 for others. */
function harmlessLength(code: Buffer, offset: number): { length: number; pushes: number } {
  if (code.subarray(offset, offset + endbr64.length).equals(endbr64))
    return { length: endbr64.length, pushes: 0 };
  const isPush = (byte: number | undefined): boolean =>
    byte !== undefined && (byte & 0xf8) === 0x50;
  if (isPush(code[offset])) return { length: 1, pushes: 1 };
  if (code[offset] === 0x41 && isPush(code[offset + 1])) return { length: 2, pushes: 1 };
  return { length: 0, pushes: 0 };
}

/** Pushes among the first `skipped` bytes; `null` if those are not whole harmless instructions. */
function pushesIn(code: Buffer, skipped: number): number | null {
  let pushes = 0;
  for (let offset = 0; offset < skipped;) {
    const one = harmlessLength(code, offset);
    if (one.length === 0 || offset + one.length > skipped) return null;
    offset += one.length;
    pushes += one.pushes;
  }
  return pushes;
}

/** The forms that are worth trying, best first. */
function* formsOf(found: FoundFunction, code: Buffer, isTaken: IsTaken): Generator<EntryForm> {
  yield { skipped: 0, relay: null };
  for (let skipped = 0; ;) {
    const { length } = harmlessLength(code, skipped);
    skipped += length;
    if (length === 0 || skipped > mostSkipped) break;
    const at = found.address + BigInt(skipped);
    // Only behind a page's end: everywhere else the first form is as good or better.
    if (at % pageSize < length) yield { skipped, relay: null };
  }
  const from = found.address + BigInt(shortJumpLength);
  const lowest = from - shortReach - 1n;
  const highest = from + shortReach;
  for (const gap of addon.deadPadding(found.module.handle, lowest, highest + 1n)) {
    let relay = gap.start > lowest ? gap.start : lowest;
    for (; relay <= highest && relay + BigInt(jumpLength) <= gap.end; relay++) {
      const end = relay + BigInt(jumpLength);
      if (!onOnePage(relay, jumpLength) || isTaken(relay, end)) continue;
      yield { skipped: 0, relay };
      break;
    }
  }
}

/**
 * Chooses how a function's entry is to change.
 * @throws EngineError refused: FUNCTION_TOO_SHORT, ENTRY_NOT_HOOKABLE
 */
export function chooseForm(found: FoundFunction, isTaken: IsTaken): EntryForm {
  // What stands against the usual form is what a person wants to know.
  let first: Impossible | null = null;
  try {
    for (const form of formsOf(found, codeOfEntry(found), isTaken)) {
      try {
        const start = found.address + BigInt(form.skipped);
        const end = start + BigInt(changedLength(form));
        if (isTaken(start, end))
          throw new Impossible("ENTRY_NOT_HOOKABLE", "its first bytes are in use already");
        const somewhere = found.address - 0x100000n;
        checkBranches(found, form, tryForm(found, form, somewhere, somewhere).length);
        return form;
      } catch (error) {
        if (!(error instanceof Impossible)) throw error;
        first ??= error;
      }
    }
  } catch (error) {
    if (!(error instanceof Impossible)) throw error;
    first = error;
  }
  throw notHookable(
    found,
    first ?? new Impossible("ENTRY_NOT_HOOKABLE", "its code cannot be changed"),
  );
}

/**
 * The new bytes of an entry and the relocated copy of what they overwrite.
 * @param stub where the jump leads
 * @param copy where the relocated entry will stand
 * @throws EngineError refused: FUNCTION_TOO_SHORT, ENTRY_NOT_HOOKABLE
 */
export function planEntry(
  found: FoundFunction,
  form: EntryForm,
  stub: bigint,
  copy: bigint,
): PlannedEntry {
  try {
    return tryForm(found, form, stub, copy).planned;
  } catch (error) {
    if (error instanceof Impossible) throw notHookable(found, error);
    throw error;
  }
}

function tryForm(
  found: FoundFunction,
  form: EntryForm,
  stub: bigint,
  copy: bigint,
): { readonly planned: PlannedEntry; readonly length: number } {
  const { address } = found;
  const start = address + BigInt(form.skipped);
  const changed = changedLength(form);
  if (!onOnePage(start, changed)) {
    throw new Impossible(
      "ENTRY_NOT_HOOKABLE",
      "its first bytes lie on two pages, so the change could be cut in half",
    );
  }
  const minimum = form.skipped + changed;
  const room = roomOf(found);
  if (room < minimum) {
    throw new Impossible(
      "FUNCTION_TOO_SHORT",
      `there are only ${room} bytes up to the next function`,
    );
  }
  const code = codeOfEntry(found);
  const pushes = pushesIn(code, form.skipped);
  if (pushes === null)
    throw new Impossible("ENTRY_NOT_HOOKABLE", "its first instructions cannot be left as they are");
  const relocated = relocate(found, code, { minimum, room, copy });
  const at = new Encoder(start);
  if (form.relay === null) at.jump(stub);
  else at.shortJump(form.relay);
  const planned = {
    ...form,
    pushes,
    copy: relocated.code,
    change: {
      address: start,
      expected: Buffer.from(code.subarray(form.skipped, minimum)),
      bytes: at.bytes(),
      moves: relocated.boundaries
        .filter(([original]) => original > form.skipped && original < minimum)
        .map(([original, moved]) => [address + BigInt(original), copy + BigInt(moved)] as const),
    },
    relayed: form.relay === null ? null : relayAt(found, form.relay, stub),
  };
  return { planned, length: relocated.length };
}

function relayAt(
  found: FoundFunction,
  relay: bigint,
  stub: bigint,
): { readonly original: Buffer; readonly jump: Buffer } {
  const jump = new Encoder(relay);
  jump.jump(stub);
  return {
    original: addon.fileBytes(found.module.handle, relay, jumpLength),
    jump: jump.bytes(),
  };
}

function relocate(
  found: FoundFunction,
  code: Buffer,
  { minimum, room, copy }: { minimum: number; room: number; copy: bigint },
): ReturnType<typeof addon.relocateEntry> {
  let relocated;
  try {
    relocated = addon.relocateEntry(code, {
      address: found.address,
      minimum,
      room,
      size: found.size,
      destination: copy,
    });
  } catch (error) {
    const code = codeOf(error) === "TOO_SHORT" ? "FUNCTION_TOO_SHORT" : "ENTRY_NOT_HOOKABLE";
    throw new Impossible(code, messageOf(error));
  }
  if (relocated.code.length > copyRoom) {
    throw new Impossible(
      "ENTRY_NOT_HOOKABLE",
      "its first instructions take too much room when they are moved",
    );
  }
  // A coroutine's stack, which no list of threads shows, may hold such an address.
  if (relocated.returns.length > 0)
    throw new Impossible("ENTRY_NOT_HOOKABLE", "a call returns into its first bytes");
  return relocated;
}

/** Refuses what something jumps into; jumps that the copy stands for lead into the copy. */
function checkBranches(found: FoundFunction, form: EntryForm, covered: number): void {
  const { module, address } = found;
  const end = address + BigInt(form.skipped + changedLength(form));
  const hit = addon
    .branchesInto(module.handle, [{ start: address + 1n, end }])
    .find(({ from }) => from < address || from >= address + BigInt(covered));
  if (hit !== undefined) {
    throw new Impossible(
      "ENTRY_NOT_HOOKABLE",
      `code at 0x${hit.from.toString(16)} jumps into its first bytes`,
    );
  }
}

/** What stands at an entry now: untouched, our jump, or something else. */
export function entryState(
  target: TargetHandle,
  planned: { readonly address: bigint; readonly original: Uint8Array; readonly jump: Uint8Array },
): "original" | "hooked" | "foreign" {
  const now = addon.readMemory(target, planned.address, planned.original.length);
  if (now.equals(planned.original)) return "original";
  return now.equals(planned.jump) ? "hooked" : "foreign";
}

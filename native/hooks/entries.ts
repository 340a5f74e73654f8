/** Decides whether and how the entry of a function becomes a jump. */
import { addon, type TargetHandle } from "../addon/addon.js";
import { EngineError } from "../engine.js";
import type { FoundFunction } from "../resolve/functions.js";
import { codeOf, messageOf } from "../process/modules.js";
import { copyRoom } from "./arena.js";
import { Encoder } from "./encoder.js";
import { pageSize } from "./placement.js";

export const jumpLength = 5;
const longestLook = 64;

export interface PlannedEntry {
  readonly address: bigint;
  /** The five bytes that change. */
  readonly original: Buffer;
  readonly jump: Buffer;
  readonly copy: Buffer;
  readonly moves: readonly (readonly [from: bigint, to: bigint])[];
}

function notHookable(found: FoundFunction, why: string, code = "ENTRY_NOT_HOOKABLE"): EngineError {
  return new EngineError(code, "refused", `${found.name} cannot be redirected: ${why}`, {
    subject: found.name,
    help: "replace the functions that call it instead",
  });
}

/**
 * Checks of a function's entry that need no place for its copy.
 * @throws EngineError refused: FUNCTION_TOO_SHORT, ENTRY_NOT_HOOKABLE
 */
export function checkEntry(found: FoundFunction): void {
  if (found.address % pageSize > pageSize - BigInt(jumpLength)) {
    throw notHookable(
      found,
      "its first bytes lie on two pages, so the change could be cut in half",
    );
  }
  planEntry(found, found.address - 0x100000n, found.address - 0x100000n);
}

/**
 * The new bytes of an entry and the relocated copy of what they overwrite.
 * @param stub where the jump leads
 * @param copy where the relocated entry will stand
 * @throws EngineError refused: FUNCTION_TOO_SHORT, ENTRY_NOT_HOOKABLE
 */
export function planEntry(found: FoundFunction, stub: bigint, copy: bigint): PlannedEntry {
  const { module, address } = found;
  const next = addon.nextFunctionStart(module.handle, address);
  const room = next > address ? Number(next - address < 4096n ? next - address : 4096n) : 0;
  if (room < jumpLength)
    throw notHookable(
      found,
      `there are only ${room} bytes up to the next function`,
      "FUNCTION_TOO_SHORT",
    );
  const code = codeOfEntry(found, Math.max(room, jumpLength));
  let relocated;
  try {
    relocated = addon.relocateEntry(code, {
      address,
      minimum: jumpLength,
      room,
      size: found.size,
      destination: copy,
    });
  } catch (error) {
    const why = codeOf(error);
    throw notHookable(
      found,
      messageOf(error),
      why === "TOO_SHORT" ? "FUNCTION_TOO_SHORT" : "ENTRY_NOT_HOOKABLE",
    );
  }
  if (relocated.code.length > copyRoom)
    throw notHookable(found, "its first instructions take too much room when they are moved");
  const jump = new Encoder(address);
  jump.jump(stub);
  return {
    address,
    original: Buffer.from(code.subarray(0, jumpLength)),
    jump: jump.bytes(),
    copy: relocated.code,
    moves: relocated.boundaries
      .filter(([original]) => original > 0 && original < jumpLength)
      .map(([original, moved]) => [address + BigInt(original), copy + BigInt(moved)] as const),
  };
}

function codeOfEntry(found: FoundFunction, room: number): Buffer {
  const text = found.module.info.text.find(
    (range) => found.address >= range.start && found.address < range.end,
  );
  if (text === undefined) throw notHookable(found, "it does not lie in the module's code");
  const length = Math.min(
    longestLook,
    Math.max(room, jumpLength),
    Number(text.end - found.address),
  );
  try {
    return addon.fileBytes(found.module.handle, found.address, length);
  } catch {
    // The file's part of the last page may end before the page does.
    return addon.fileBytes(found.module.handle, found.address, jumpLength);
  }
}

/**
 * Refuses functions into whose first bytes something jumps.
 * @throws EngineError refused ENTRY_NOT_HOOKABLE
 */
export function checkBranches(functions: readonly FoundFunction[]): void {
  const byModule = new Map<FoundFunction["module"], FoundFunction[]>();
  for (const found of functions) {
    const list = byModule.get(found.module);
    if (list === undefined) byModule.set(found.module, [found]);
    else list.push(found);
  }
  for (const [module, list] of byModule) {
    const hits = addon.branchesInto(
      module.handle,
      list.map((f) => ({ start: f.address + 1n, end: f.address + BigInt(jumpLength) })),
    );
    const hit = hits[0];
    const found = hit === undefined ? undefined : list[hit.range];
    if (hit !== undefined && found !== undefined) {
      throw notHookable(found, `code at 0x${hit.from.toString(16)} jumps into its first bytes`);
    }
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

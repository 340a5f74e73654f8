/** What the file behind a mapping holds, as it would stand in memory had nobody but us changed it. */
import { addon } from "../addon/addon.js";
import { address, offsetBy, type Address } from "../address.js";
import { EngineError } from "../engine.js";
import { readSites, type Site } from "../data/site_table.js";
import { Arena } from "../hooks/arena.js";
import { Encoder } from "../hooks/encoder.js";
import { jumpLength } from "../hooks/entries.js";
import type { LoadedModule } from "../process/modules.js";
import type { HookRecord, TargetRecord } from "../record/record.js";
import type { TargetProcess } from "../session/target_process.js";

const relative = 8;

/**
 * The module's bytes with its position-relative relocations done, and with the jumps at the
 * entries of replaced functions. Words that the dynamic loader fills with addresses of symbols
 * are as the file has them.
 * @returns fewer bytes where the file ends; `null` for memory that is no module's
 */
export function diskBytes(process: TargetProcess, at: Address, length: number): Uint8Array | null {
  const module = process.modules.find((m) => at >= m.info.start && at < m.info.end);
  if (module === undefined) return secondMapping(process, at, length);
  const bytes = fileBytes(module, at, length);
  if (bytes === null) return null;
  const end = offsetBy(at, bytes.length);
  for (const relocation of addon.moduleRelocations(module.handle)) {
    if (relocation.type !== relative) continue;
    if (relocation.address < at || relocation.address + 8n > end) continue;
    bytes.writeBigUInt64LE(
      BigInt.asUintN(64, module.info.bias + relocation.addend),
      Number(relocation.address - at),
    );
  }
  for (const jump of ownJumps(process)) {
    if (jump.address + BigInt(jump.bytes.length) <= at || jump.address >= end) continue;
    if (isExpected(process, module, jump)) overlay(bytes, at, jump);
  }
  return bytes;
}

/**
 * A part of a module's file that the program has mapped once more elsewhere, as V8 does with its
 * own code: told by where the module itself has the same part of the file.
 */
function secondMapping(process: TargetProcess, at: Address, length: number): Buffer | null {
  const maps = process.maps();
  const own = maps.find((m) => at >= m.start && at < m.end);
  if (own === undefined || own.inode === 0) return null;
  const offset = own.offset + (at - own.start);
  for (const m of maps) {
    if (m === own || m.inode !== own.inode || m.device !== own.device) continue;
    if (offset < m.offset || offset >= m.offset + (m.end - m.start)) continue;
    const twin = address(m.start + (offset - m.offset));
    const module = process.modules.find(({ info }) => twin >= info.start && twin < info.end);
    if (module === undefined) continue;
    const room = own.end - at < m.end - twin ? own.end - at : m.end - twin;
    return fileBytes(module, twin, Math.min(length, Number(room)));
  }
  return null;
}

/** As many of the bytes as the file has; found by halves, since a segment's end is the file's. */
function fileBytes(module: LoadedModule, at: Address, length: number): Buffer | null {
  let have: Buffer | null = null;
  let low = 0;
  let high = length;
  for (let size = length; size > low; size = Math.floor((low + high + 1) / 2)) {
    try {
      have = addon.fileBytes(module.handle, at, size);
      low = size;
    } catch {
      high = size - 1;
    }
  }
  return have === null ? null : Buffer.from(have);
}

/** A jump that we wrote over code. */
interface OwnJump {
  readonly address: bigint;
  readonly bytes: Buffer;
  /** What the file is to hold there; `null`: padding. */
  readonly original: Buffer | null;
  /** An active patch needs it. */
  readonly inUse: boolean;
}

/** The jumps to our stubs that the process's record tells of. A damaged record tells of none. */
function ownJumps(process: TargetProcess): readonly OwnJump[] {
  if (process.control === null) return [];
  let record: TargetRecord;
  try {
    record = process.record();
  } catch (error) {
    if (error instanceof EngineError) return [];
    throw error;
  }
  const inUse = new Set(
    record.updates
      .filter(({ run }) => run.finished)
      .flatMap(({ patches }) => patches.filter(({ level }) => level !== null))
      .flatMap(({ functions }) => functions.map(({ hook }) => hook)),
  );
  const { runtime } = record;
  return [
    ...record.hooks.flatMap((hook, number) => {
      const arena = record.arenas[hook.arena];
      if (arena === undefined) return [];
      return jumpsOf(hook, new Arena(arena.base).stub(hook.index), inUse.has(number));
    }),
    ...(runtime === null ? [] : readSites(process.handle, runtime)).flatMap(siteJump),
  ];
}

/** The jump in place of a store that is caught often. */
function siteJump({ known, jumpAt: address, jumpTo, original }: Site): readonly OwnJump[] {
  const jump = new Encoder(address);
  if (!known || original.length !== jumpLength) return [];
  try {
    jump.jump(jumpTo);
    return [{ address, bytes: jump.bytes(), original, inUse: false }];
  } catch (error) {
    if (error instanceof RangeError) return []; // it cannot reach
    throw error;
  }
}

/**
 * Made anew from the places in the record, which lies in a process that may be hostile: a jump
 * that does not lead to its stub is none of ours, whatever the record says.
 */
function jumpsOf(hook: HookRecord, stub: bigint, inUse: boolean): readonly OwnJump[] {
  const { relay, original } = hook;
  const entry = new Encoder(hook.address + BigInt(hook.skipped));
  const address = entry.here;
  try {
    if (relay === null) {
      entry.jump(stub);
      return [{ address, bytes: entry.bytes(), original, inUse }];
    }
    entry.shortJump(relay);
    const there = new Encoder(relay);
    there.jump(stub);
    return [
      { address, bytes: entry.bytes(), original, inUse },
      { address: relay, bytes: there.bytes(), original: null, inUse },
    ];
  } catch (error) {
    if (error instanceof RangeError) return []; // it cannot reach
    throw error;
  }
}

/** True if the jump is to stand there: over what the file is to hold, and unless nobody needs or has it. */
function isExpected(process: TargetProcess, module: LoadedModule, jump: OwnJump): boolean {
  const { address, bytes } = jump;
  let file: Buffer;
  try {
    file = addon.fileBytes(module.handle, address, bytes.length);
  } catch {
    return false; // not in this module's file
  }
  if (jump.original !== null && !file.equals(jump.original)) return false;
  if (jump.inUse) return true;
  // An update that failed before its window leaves entries in the record that were never changed.
  return !addon.readMemorySome(process.handle, address, bytes.length).equals(file);
}

function overlay(bytes: Buffer, at: bigint, jump: OwnJump): void {
  const from = jump.address > at ? 0 : Number(at - jump.address);
  const place = jump.address > at ? Number(jump.address - at) : 0;
  jump.bytes.copy(bytes, place, from);
}

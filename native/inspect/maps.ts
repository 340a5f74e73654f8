/** The mappings of a process, with those that are ours marked. */
import { address, type Address } from "../address.js";
import { EngineError } from "../engine.js";
import { Arena, arenaHead, planesPerArena } from "../hooks/arena.js";
import type { MappingInfo } from "../inspection.js";
import { controlSize } from "../record/page.js";
import type { TargetProcess } from "../session/target_process.js";

interface OwnRange {
  readonly start: bigint;
  readonly end: bigint;
}

/** The record, the arenas and the images of a process. A damaged record tells of itself only. */
function ownRanges(target: TargetProcess): OwnRange[] {
  const control = target.control;
  if (control === null) return [];
  const ranges: OwnRange[] = [{ start: control.address, end: control.address + controlSize }];
  try {
    const record = target.record();
    for (const { base } of record.arenas)
      ranges.push({ start: base - arenaHead, end: new Arena(base).cell(0, planesPerArena) });
    for (const { base, size } of record.images) ranges.push({ start: base, end: base + size });
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
  }
  return ranges;
}

/** User-space mappings, by address. */
export function mapsOf(target: TargetProcess): MappingInfo[] {
  const own = ownRanges(target);
  return target
    .maps()
    .filter((m) => m.start < 1n << 47n) // [vsyscall] lies in the kernel's half
    .map((m) => ({
      start: address(m.start),
      end: m.end as Address,
      permissions: m.permissions,
      offset: m.offset,
      path: m.path,
      deleted: m.deleted,
      polus: own.some((r) => m.start < r.end && m.end > r.start),
    }));
}

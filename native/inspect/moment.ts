/** Memory of a process at one moment, read or changed while all its threads are held. */
import { addon, type TracerHandle } from "../addon/addon.js";
import { writeGuarded } from "../data/guarded_write.js";
import { EngineError } from "../engine.js";
import type { ChangeResult, MemoryChange, MemoryRange, Moment } from "../inspection.js";
import { isInCode, restoreCode } from "./restore_code.js";
import { onMember, type TargetProcess } from "../session/target_process.js";

/** As the addon has it: nobody is held for more. */
const mostBytes = 16 << 20;

function checkSize(pid: number, sizes: readonly number[]): void {
  const total = sizes.reduce((sum, size) => sum + size, 0);
  if (total <= mostBytes) return;
  throw new EngineError(
    "MOMENT_TOO_LARGE",
    "refused",
    `${total} bytes are too many to hold all threads for; at most ${mostBytes} can be had at one moment`,
    { pid },
  );
}

/** @throws EngineError refused MOMENT_TOO_LARGE, ALREADY_TRACED, PERMISSION, TARGET_GONE */
export async function readTogether(
  tracer: TracerHandle,
  target: TargetProcess,
  ranges: readonly MemoryRange[],
): Promise<Moment> {
  checkSize(
    target.pid,
    ranges.map((r) => r.length),
  );
  return onMember(target, () => addon.tracerReadTogether(tracer, target.handle, ranges));
}

/**
 * All or nothing while polus lives. If it is killed between two writes of one call, those
 * before it are done: changes that touch are one write, a write inside one page is never
 * cut short, and the order is the one asked.
 * @throws EngineError refused UNWRITABLE, CANNOT_STOP, THREAD_IN_CODE, MOMENT_TOO_LARGE, ALREADY_TRACED, PERMISSION, TARGET_GONE
 */
export async function writeTogether(
  tracer: TracerHandle,
  target: TargetProcess,
  changes: readonly MemoryChange[],
): Promise<ChangeResult> {
  checkSize(
    target.pid,
    changes.map((c) => c.bytes.length),
  );
  for (const { bytes, expected } of changes)
    if (expected !== undefined && expected.length !== bytes.length)
      throw new RangeError(`${expected.length} bytes are expected where ${bytes.length} change`);
  if (changes.length > 0 && changes.every((change) => isInCode(target, change)))
    return restoreCode(tracer, target, changes);
  const guarded = await onMember(target, () => writeGuarded(tracer, target, changes));
  if (guarded !== null) return guarded;
  try {
    return await onMember(target, () => addon.tracerWriteTogether(tracer, target.handle, changes));
  } catch (error) {
    if (!(error instanceof EngineError && error.code === "UNWRITABLE")) throw error;
    // Found before anything was written, or taken back: elsewhere the code says less.
    throw new EngineError("UNWRITABLE", "refused", error.message, {
      pid: target.pid,
      help: "constants and code change by a patch that replaces the functions that use them",
    });
  }
}

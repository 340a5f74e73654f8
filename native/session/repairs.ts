/** Taking back what scripts wrote to repair a process's state, each only where it still stands. */
import { addon, type TracerHandle } from "../addon/addon.js";
import { address, formatAddress } from "../address.js";
import { EngineError, type EventSink } from "../engine.js";
import { writeTogether } from "../inspect/moment.js";
import { dueRepairs, type DueRepair } from "../record/record.js";
import type { ChangingData } from "./changing_data.js";
import { undoTo, type TargetProcess } from "./target_process.js";

/** Takes back the repairs of patches that are not active with this selector. */
export type Restore = (process: TargetProcess, selector: number) => Promise<void>;

/** What a session takes back with, besides functions. */
export interface Means {
  readonly restore: Restore;
  readonly data: ChangingData;
}

/** True if the repair still stood there and was taken back. */
async function putBack(
  process: TargetProcess,
  repair: DueRepair,
  withTracer: <T>(work: (tracer: TracerHandle) => Promise<T>) => Promise<T>,
): Promise<boolean> {
  const { before, after } = repair;
  const at = address(repair.address);
  try {
    const change = { address: at, bytes: before, expected: after, undoes: true };
    return (await withTracer((tracer) => writeTogether(tracer, process, [change]))).written;
  } catch (error) {
    // The functions are rolled back already: not holding the threads is better than leaving it.
    if (!(error instanceof EngineError) || error.code === "UNWRITABLE") throw error;
    if (!addon.readMemorySome(process.handle, at, after.length).equals(after)) return false;
    addon.writeMemory(process.handle, at, before);
    return true;
  }
}

/**
 * A session's way to take repairs back. The record still holds them afterwards: whoever dies in
 * the middle leaves them to `recover`.
 */
export function restoreWith(
  withTracer: <T>(work: (tracer: TracerHandle) => Promise<T>) => Promise<T>,
  onEvent: EventSink,
): Restore {
  return async (process, selector) => {
    const { control } = process;
    if (control === null) return;
    for (const repair of dueRepairs(control.read(), selector)) {
      const { update, taint, before } = repair;
      addon.faultPoint();
      const stood = await putBack(process, repair, withTracer).catch((error: unknown) => {
        if (error instanceof EngineError && error.code === "UNWRITABLE") return false;
        throw error;
      });
      if (!stood) {
        // Already taken back by one who died before he could say so.
        const now = addon.readMemorySome(process.handle, repair.address, before.length);
        if (now.equals(before)) continue;
      }
      onEvent({
        event: stood ? "repair_undone" : "repair_left",
        pid: process.pid,
        update,
        taint,
        address: formatAddress(repair.address),
      });
    }
  };
}

/** Like `undoTo`, repairs and data included: for a run whose polus is gone. */
export async function undoWithRepairs(
  member: TargetProcess,
  selector: number,
  { restore, data }: Means,
): Promise<void> {
  const { control } = member;
  if (control === null) return;
  await data.beforeRollback(member, selector);
  if (control.selector > selector) control.select(selector);
  await restore(member, selector);
  undoTo(member, selector);
  await data.trySettle(member);
}

/** What a process's record says, for people and for `status --json`. */
import { address } from "../address.js";
import { readControlBlock, setState, type ControlBlock } from "../data/control_block.js";
import type {
  DataState,
  DataStatus,
  ProcessStatus,
  RuntimeStatus,
  UpdateState,
  UpdateStatus,
} from "../engine.js";
import { readExe } from "../process/proc.js";
import { processInfo } from "../process/process_info.js";
import {
  isRolledBack,
  topLevel,
  type PatchRecord,
  type TargetRecord,
  type UpdateRecord,
} from "../record/record.js";
import { injectorAlive } from "./recover.js";
import type { TargetProcess } from "./target_process.js";

const dataStates: Readonly<Record<number, DataState>> = {
  [setState.converting]: "converting",
  [setState.coherent]: "coexisting",
  [setState.lifting]: "lifting",
  [setState.new]: "complete",
  [setState.old]: "retired",
};

function dataOf(patch: PatchRecord, control: ControlBlock | null): DataStatus | null {
  const { data } = patch;
  const status = data === null || data.set === null ? undefined : control?.sets[data.set];
  const state = status === undefined ? undefined : dataStates[status.state];
  if (data === null || status === undefined || state === undefined) return null;
  const { objects, done, stray, strayAt } = status;
  return {
    state,
    items: data.items.map(({ name }) => name),
    objects,
    done,
    stray,
    strayAt: stray === 0 ? null : address(strayAt),
  };
}

/** True while some thread may need a version of the data that is not the active one. */
function isCoexisting(update: UpdateRecord, control: ControlBlock | null): boolean {
  return update.patches.some((patch) => {
    const state = dataOf(patch, control)?.state;
    return state === "converting" || state === "coexisting" || state === "lifting";
  });
}

function runtimeStatus(control: ControlBlock): RuntimeStatus {
  const { guardedPages, traps, transfers, slow, rewritten, forked, damage } = control;
  return { guardedPages, traps, transfers, slow, rewritten, forked, damaged: damage !== 0 };
}

function stateOf(
  record: TargetRecord,
  update: UpdateRecord,
  selector: number,
  control: ControlBlock | null,
): UpdateState {
  if (record.pending !== null && topLevel(update) > record.pending.selector) return "interrupted";
  if (isRolledBack(update)) {
    if (update.repairs.length > 0) return "interrupted";
    return isCoexisting(update, control) ? "completing" : "rolled-back";
  }
  if (update.run.finished) return isCoexisting(update, control) ? "completing" : "active";
  if (injectorAlive(update.run)) return selector >= topLevel(update) ? "active" : "prepared";
  return "interrupted";
}

/** Name of the point at which a partly rolled back update stands. */
function pointOf(update: UpdateRecord): string | null {
  const active = update.patches.filter((p) => p.level !== null).length;
  if (active === update.patches.length) return null;
  return update.points.find((p) => p.position === active)?.name ?? null;
}

/** @throws EngineError inconsistent RECORD_DAMAGED */
export function statusOf(process: TargetProcess): ProcessStatus | null {
  if (process.control === null) return null;
  const record = process.record();
  const { selector } = process.control;
  const control =
    record.runtime === null ? null : readControlBlock(process.handle, process.pid, record.runtime);
  return {
    pid: process.pid,
    exe: readExe(process.pid)?.path ?? "",
    buildId: processInfo(process.pid).buildId,
    updates: record.updates.map((update): UpdateStatus => ({
      name: update.name,
      state: stateOf(record, update, selector, control),
      appliedAt: update.appliedAt,
      scope: update.scope,
      scriptDigest: update.scriptDigest,
      points: update.points.map((p) => p.name),
      at: pointOf(update),
      patches: update.patches.map((p) => ({
        name: p.name,
        digest: p.digest,
        active: p.level !== null && p.level <= selector,
        functions: p.functions.flatMap((f) => record.hooks[f.hook]?.function ?? []),
        data: dataOf(p, control),
      })),
    })),
    runtime: control === null ? null : runtimeStatus(control),
  };
}

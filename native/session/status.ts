/** What a process's record says, for people and for `status --json`. */
import type { ProcessStatus, UpdateState, UpdateStatus } from "../engine.js";
import { readExe } from "../process/proc.js";
import { processInfo } from "../process/process_info.js";
import { isRolledBack, topLevel, type TargetRecord, type UpdateRecord } from "../record/record.js";
import { injectorAlive } from "./recover.js";
import type { TargetProcess } from "./target_process.js";

function stateOf(record: TargetRecord, update: UpdateRecord, selector: number): UpdateState {
  if (record.pending !== null && topLevel(update) > record.pending.selector) return "interrupted";
  if (isRolledBack(update)) return "rolled-back";
  if (update.run.finished) return "active";
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
  const control = process.control;
  if (control === null) return null;
  const record = process.record();
  const selector = control.selector;
  return {
    pid: process.pid,
    exe: readExe(process.pid)?.path ?? "",
    buildId: processInfo(process.pid).buildId,
    updates: record.updates.map((update): UpdateStatus => ({
      name: update.name,
      state: stateOf(record, update, selector),
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
      })),
    })),
  };
}

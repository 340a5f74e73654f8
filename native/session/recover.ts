/** Finishes or undoes what an interrupted polus left half done. */
import { EngineError, type EventSink, type OperationResult } from "../engine.js";
import type { ModuleCache } from "../process/modules.js";
import { listPids, readStat } from "../process/proc.js";
import { isRolledBack, topLevel, type UpdateRecord } from "../record/record.js";
import {
  markFinished,
  needsRecovery,
  TargetProcess,
  undoTo,
  whileAlive,
} from "./target_process.js";

/** An unfinished run, and whom it concerns. */
interface Interrupted {
  readonly update: UpdateRecord;
  readonly process: TargetProcess;
}

function unfinished(process: TargetProcess): UpdateRecord[] {
  return process.record().updates.filter((u) => !u.run.finished && !isRolledBack(u));
}

/** True if the polus that began the run is still at work. */
export function injectorAlive(run: UpdateRecord["run"]): boolean {
  return (
    run.injector !== process.pid &&
    readStat(run.injector)?.startTime === run.injectorStart &&
    run.injectorStart !== 0n
  );
}

/** Other processes with the same runs: a tree's members may have lost their common parent. */
function relatives(
  members: readonly TargetProcess[],
  runs: ReadonlySet<string>,
  cache: ModuleCache,
): TargetProcess[] {
  const found: TargetProcess[] = [];
  const known = new Set(members.map((m) => m.pid));
  for (const pid of listPids()) {
    if (known.has(pid) || pid === process.pid) continue;
    try {
      const other = TargetProcess.open(pid, cache);
      if (other.control !== null && other.record().updates.some((u) => runs.has(u.run.id)))
        found.push(other);
    } catch (error) {
      if (!(error instanceof EngineError)) throw error; // not ours to look at
    }
  }
  return found;
}

/**
 * @throws EngineError refused RUN_IN_PROGRESS, inconsistent RECORD_DAMAGED
 */
export async function recoverAll(
  members: readonly TargetProcess[],
  cache: ModuleCache,
  onEvent: EventSink,
): Promise<OperationResult> {
  const touched = new Set<number>();
  const due: TargetProcess[] = [];
  for (const member of members) {
    if ((await whileAlive(member, () => needsRecovery(member))) === true) due.push(member);
  }
  const runs = new Set(due.flatMap(unfinished).map((u) => u.run.id));
  for (const update of due.flatMap(unfinished)) {
    if (injectorAlive(update.run)) {
      throw new EngineError(
        "RUN_IN_PROGRESS",
        "refused",
        `process ${update.run.injector} is applying ${update.name} at this moment`,
        { subject: update.name },
      );
    }
  }
  const everyone =
    due.length === 0 ? [] : [...members, ...relatives(members, runs, cache)].filter((m) => m.alive);
  for (const member of everyone) {
    await whileAlive(member, () => {
      const pending = member.control === null ? null : member.record().pending;
      if (pending === null) return;
      undoTo(member, pending.selector);
      touched.add(member.pid);
      onEvent({ event: "recovered", pid: member.pid, update: pending.update, how: "finished" });
    });
  }
  for (const id of runs) {
    const concerned: Interrupted[] = [];
    for (const process of everyone) {
      const update = await whileAlive(process, () =>
        process.control === null
          ? undefined
          : process.record().updates.find((u) => u.run.id === id && !isRolledBack(u)),
      );
      if (update !== null && update !== undefined) concerned.push({ update, process });
    }
    const everywhere = concerned.every(
      ({ update, process }) => (process.control?.selector ?? 0) >= topLevel(update),
    );
    for (const { update, process } of concerned) {
      await whileAlive(process, () => {
        if (everywhere) markFinished(process, id);
        else undoTo(process, update.run.before);
        touched.add(process.pid);
        onEvent({
          event: "recovered",
          pid: process.pid,
          update: update.name,
          how: everywhere ? "finished" : "undone",
        });
      });
    }
  }
  return {
    result: touched.size > 0 ? "done" : "skipped",
    pids: touched.size > 0 ? [...touched] : members.map((m) => m.pid),
    functions: 0,
    patches: 0,
    stallUsMax: 0,
    stoppedThreadsMax: 0,
  };
}

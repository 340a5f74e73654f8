/** Finishes or undoes what an interrupted polus left half done. */
import { EngineError, type EventSink, type OperationResult } from "../engine.js";
import type { ModuleCache } from "../process/modules.js";
import { hasEnded, listPids, readStat } from "../process/proc.js";
import {
  dueRepairs,
  isRolledBack,
  rolledBackTo,
  topLevel,
  type UpdateRecord,
} from "../record/record.js";
import { hasAnnounced } from "./announced.js";
import { undoWithRepairs, type Means } from "./repairs.js";
import { markFinished, needsRecovery, TargetProcess, whileAlive } from "./target_process.js";

/** An unfinished run, and whom it concerns. */
interface Interrupted {
  readonly update: UpdateRecord;
  readonly process: TargetProcess;
}

function isUnfinished(update: UpdateRecord): boolean {
  return !update.run.finished && !isRolledBack(update);
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
      if (!(error instanceof EngineError || hasEnded(pid))) throw error; // not ours to look at
    }
  }
  return found;
}

/**
 * @param decided of runs by their id, whether they are finished; else they are undone. Who is born of a process
 *   before its turn comes goes the same way in a later pass
 * @throws EngineError refused RUN_IN_PROGRESS, inconsistent RECORD_DAMAGED
 */
export async function recoverAll(
  members: readonly TargetProcess[],
  cache: ModuleCache,
  means: Means,
  decided: Map<string, boolean>,
  onEvent: EventSink,
): Promise<OperationResult> {
  const touched = new Set<number>();
  const due: UpdateRecord[][] = [];
  for (const member of members) {
    const updates = await whileAlive(member, () =>
      needsRecovery(member) ? [...member.record().updates] : null,
    );
    if (updates !== null) due.push(updates);
  }
  const runs = new Set(
    due
      .flat()
      .filter(isUnfinished)
      .map((u) => u.run.id),
  );
  for (const update of due.flat()) {
    const isUnderWay = isUnfinished(update) || hasAnnounced(update);
    if (isUnderWay && injectorAlive(update.run)) {
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
    await whileAlive(member, async () => {
      const pending = member.control === null ? null : member.record().pending;
      if (pending === null) return;
      await undoWithRepairs(member, pending.selector, means);
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
    // One that was between two of its steps is not finished, however far each process came.
    const everywhere =
      decided.get(id) ??
      concerned.every(
        ({ update, process }) =>
          update.patches.every(({ level }) => level !== null) &&
          (process.control?.selector ?? 0) >= topLevel(update),
      );
    decided.set(id, everywhere);
    for (const { update, process } of concerned) {
      await whileAlive(process, async () => {
        if (everywhere) markFinished(process, id);
        else await undoWithRepairs(process, update.run.before, means);
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
  // A rollback of one process writes no intent: who dies between its store and the repairs leaves these.
  for (const member of everyone) {
    await whileAlive(member, async () => {
      const { control } = member;
      if (control === null || !needsRecovery(member)) return;
      const due = dueRepairs(member.record(), control.selector);
      await means.restore(member, control.selector);
      control.write(rolledBackTo(member.record(), control.selector));
      touched.add(member.pid);
      for (const update of new Set(due.map((repair) => repair.update))) {
        onEvent({ event: "recovered", pid: member.pid, update, how: "finished" });
      }
    });
  }
  for (const member of members) {
    const ended = await whileAlive(member, () => means.data.settle(member));
    if (ended !== null && ended.changed > 0) touched.add(member.pid);
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

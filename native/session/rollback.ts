/** Takes updates back: one store a process, nobody is held. */
import { EngineError, type EventSink, type OperationResult } from "../engine.js";
import { randomUUID } from "node:crypto";
import {
  isRolledBack,
  rolledBackTo,
  topLevel,
  type TargetRecord,
  type UpdateRecord,
} from "../record/record.js";
import { mostPasses } from "./forks.js";
import type { Means } from "./repairs.js";
import { onTarget, whileAlive, type TargetProcess } from "./target_process.js";

export interface RollbackTarget {
  readonly update: string;
  readonly point: string;
}

export type RollbackResult = OperationResult & {
  readonly update: string | null;
  readonly point: string | null;
};

function activeUpdates(record: TargetRecord): UpdateRecord[] {
  return record.updates.filter((u) => !isRolledBack(u)).sort((a, b) => topLevel(a) - topLevel(b));
}

/** Selector that stands for a point of an update. */
function selectorAt(record: TargetRecord, update: UpdateRecord, position: number): number {
  if (position > 0) {
    const kept = update.patches[position - 1]?.level ?? null;
    if (kept !== null) return kept;
  }
  const own = update.patches.flatMap((p) => (p.level === null ? [] : [p.level]));
  const first = Math.min(...own);
  const below = record.updates
    .flatMap((u) => u.patches)
    .flatMap((p) => (p.level !== null && p.level < first ? [p.level] : []));
  return Math.max(0, ...below);
}

/** What a rollback means in one process. */
interface Aim {
  readonly selector: number;
  readonly update: string;
  readonly point: string;
}

/** `null`: there is nothing to take back. */
function aim(process: TargetProcess, to: RollbackTarget | undefined): Aim | null {
  const record = process.record();
  const active = activeUpdates(record);
  const newest = active.at(-1);
  if (to === undefined) {
    return newest === undefined
      ? null
      : { selector: selectorAt(record, newest, 0), update: newest.name, point: "start" };
  }
  const known = record.updates.findLast((u) => u.name === to.update);
  if (known === undefined) {
    if (active.length === 0) return null;
    throw new EngineError(
      "UNKNOWN_UPDATE",
      "refused",
      `process ${process.pid} carries no update named ${to.update}`,
      {
        pid: process.pid,
        subject: to.update,
        candidates: record.updates.map((u) => u.name),
      },
    );
  }
  const point = known.points.find((p) => p.name === to.point);
  if (point === undefined) {
    throw new EngineError(
      "UNKNOWN_POINT",
      "refused",
      `update ${to.update} has no rollback point ${to.point}`,
      {
        pid: process.pid,
        subject: to.point,
        candidates: known.points.map((p) => p.name),
      },
    );
  }
  const update = active.find((u) => u.name === to.update);
  if (update === undefined) return null;
  // It may stand at or below the point already, by an earlier rollback or a step that was the last.
  const standing = update.patches.filter(({ level }) => level !== null).length;
  if (standing <= point.position) {
    const above = topLevel(update) < (process.control?.selector ?? 0);
    return above ? { selector: topLevel(update), update: to.update, point: to.point } : null;
  }
  const selector = selectorAt(record, update, point.position);
  return selector < (process.control?.selector ?? 0)
    ? { selector, update: to.update, point: to.point }
    : null;
}

/**
 * Rolls back in all processes of the scope, or says that there is nothing to.
 * @param scope asked again after each pass: a child may be born of a process whose turn has not come
 * @param essential processes whose end is an error; others may come and go
 * @param means take back the repairs and the data of what is rolled back; and wait for children whose forks have
 *   begun before
 * @throws EngineError refused: UNKNOWN_UPDATE, UNKNOWN_POINT; inconsistent RECORD_DAMAGED
 */
export async function rollBackTo(
  scope: () => readonly TargetProcess[],
  essential: ReadonlySet<TargetProcess>,
  to: RollbackTarget | undefined,
  means: Means & { readonly outliveForks: (processes: readonly TargetProcess[]) => Promise<void> },
  onEvent: EventSink,
): Promise<RollbackResult> {
  const aimAt = async (
    process: TargetProcess,
    at: RollbackTarget | undefined,
  ): Promise<Aim | null> =>
    essential.has(process)
      ? onTarget(process.pid, () => aim(process, at))
      : whileAlive(process, () => aim(process, at));
  const first = scope();
  // All look at the same update: the newest of the first process that has one.
  const aims = await Promise.all(first.map((process) => aimAt(process, to)));
  const lead = aims.find((a) => a !== null);
  if (lead === undefined || lead === null) {
    return {
      result: "skipped",
      pids: first.map((p) => p.pid),
      functions: 0,
      patches: 0,
      stallUsMax: 0,
      stoppedThreadsMax: 0,
      update: to?.update ?? null,
      point: to?.point ?? null,
    };
  }
  const goal: RollbackTarget = { update: lead.update, point: lead.point };
  const done = new Map<number, { functions: number; patches: number }>();
  const id = randomUUID();
  for (let pass = 0; pass < mostPasses; pass++) {
    const todo: { readonly process: TargetProcess; readonly what: Aim }[] = [];
    for (const process of scope()) {
      const what = process.alive ? await aimAt(process, goal) : null;
      if (what !== null) todo.push({ process, what });
    }
    if (todo.length === 0) break;
    for (const { process, what } of todo) {
      await whileAlive(process, () => means.data.beforeRollback(process, what.selector));
    }
    // The intent first, everywhere: a rollback that is cut short can be finished by `recover`.
    if (todo.length > 1) {
      for (const { process, what } of todo) {
        await whileAlive(process, () =>
          process.control?.write({ ...process.record(), pending: { id, ...what } }),
        );
      }
    }
    for (const { process, what } of todo) {
      await whileAlive(process, () => {
        const control = process.control;
        if (control === null) return;
        const gone = process
          .record()
          .updates.flatMap((u) => u.patches)
          .filter((p) => p.level !== null && p.level > what.selector);
        control.select(what.selector);
        done.set(process.pid, {
          functions: new Set(gone.flatMap((p) => p.functions.map((f) => f.hook))).size,
          patches: gone.length,
        });
        onEvent({ event: "rolled_back", pid: process.pid, update: what.update, point: what.point });
      });
    }
    await means.outliveForks(todo.map(({ process }) => process));
    for (const { process, what } of todo) {
      await whileAlive(process, () => means.restore(process, what.selector));
      await whileAlive(process, () =>
        process.control?.write(rolledBackTo(process.record(), what.selector)),
      );
    }
    for (const { holds } of await means.data.settleSoon(todo.map(({ process }) => process)))
      for (const { pid, tid, function: name } of holds)
        onEvent({ event: "completing", pid, tid, function: name });
  }
  const counts = [...done.values()];
  return {
    result: "done",
    pids: [...done.keys()],
    functions: Math.max(0, ...counts.map((c) => c.functions)),
    patches: Math.max(0, ...counts.map((c) => c.patches)),
    stallUsMax: 0,
    stoppedThreadsMax: 0,
    update: goal.update,
    point: goal.point,
  };
}

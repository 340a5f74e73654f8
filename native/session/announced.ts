/**
 * Repairs that are written down in a process's record before they are made: whoever finds us gone
 * takes them back. They stand in the update's record, which is made for them if there is none yet:
 * one whose patches are all inactive.
 */
import type { Repair, UpdateRequest } from "../engine.js";
import {
  isRolledBack,
  neverActive,
  type RepairRecord,
  type TargetRecord,
  type UpdateRecord,
} from "../record/record.js";

/** The repairs of one process, as its record holds them. */
export function repairRecords(repairs: readonly Repair[], pid: number): readonly RepairRecord[] {
  return repairs
    .filter((repair) => repair.pid === pid)
    .map(({ patch, taint, address, before, after }) => ({
      patch,
      taint,
      address,
      before: Buffer.from(before),
      after: Buffer.from(after),
      announced: false,
    }));
}

/** Whether a step of the update is under way that has announced repairs. */
export function hasAnnounced(update: UpdateRecord): boolean {
  return update.repairs.some(({ announced }) => announced);
}

/** Repairs of an update that were made; those that were only announced are what a step takes over. */
export function madeRepairs(update: UpdateRecord | undefined): readonly RepairRecord[] {
  return update?.repairs.filter(({ announced }) => !announced) ?? [];
}

/** The record with `repairs` announced for an update, in place of those before; none: as it was without. */
export function withAnnounced(
  record: TargetRecord,
  request: UpdateRequest,
  run: UpdateRecord["run"],
  repairs: readonly RepairRecord[],
): TargetRecord {
  const known = record.updates.find((u) => u.name === request.name && !isRolledBack(u));
  if (known !== undefined) {
    // Of a run of ours between two steps or, where an earlier one has activated some patches, of this one.
    const { id, injector, injectorStart } = run;
    const owner = known.run.finished ? { ...known.run, id, injector, injectorStart } : known.run;
    const changed = { ...known, run: owner, repairs: [...madeRepairs(known), ...repairs] };
    return { ...record, updates: record.updates.map((u) => (u === known ? changed : u)) };
  }
  const others = record.updates.filter((u) => !(u.name === request.name && neverActive(u)));
  if (repairs.length === 0) return { ...record, updates: others };
  const update: UpdateRecord = {
    name: request.name,
    description: request.description ?? "",
    scriptDigest: request.scriptDigest,
    scope: request.scope,
    appliedAt: new Date().toISOString(),
    points: request.points.map(({ name, position }) => ({ name, position })),
    patches: request.patches.map(({ name, digest }) => ({
      name,
      digest,
      level: null,
      functions: [],
      data: null,
    })),
    repairs,
    run,
  };
  return { ...record, updates: [...others, update] };
}

/**
 * The record once a step has found its patches active already: what was repaired since, and whether it
 * was the last. The same record if there is nothing to note.
 */
export function withStepNoted(
  record: TargetRecord,
  update: string,
  repairs: readonly RepairRecord[],
  more: boolean,
): TargetRecord {
  const finishes = (u: UpdateRecord): boolean => !more && !u.run.finished;
  const concerns = (u: UpdateRecord): boolean =>
    u.name === update && !isRolledBack(u) && (repairs.length > 0 || finishes(u) || hasAnnounced(u));
  if (!record.updates.some(concerns)) return record;
  return {
    ...record,
    updates: record.updates.map((u) =>
      concerns(u)
        ? {
            ...u,
            repairs: [...madeRepairs(u), ...repairs],
            run: finishes(u) ? { ...u.run, finished: true } : u.run,
          }
        : u,
    ),
  };
}

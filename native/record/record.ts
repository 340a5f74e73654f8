/**
 * What a target carries about its own updates. Any later polus process works from this
 * alone; it is read from a process that may be hostile, so every field is checked.
 */
import type { ChainEntry } from "../hooks/chain.js";

/** Hook arena of one module. */
export interface ArenaRecord {
  readonly module: string;
  /** Run-time start of the module, to find it again. */
  readonly moduleStart: bigint;
  readonly base: bigint;
  /** Planes that are mapped. */
  readonly planes: readonly number[];
}

/** One redirected function. */
export interface HookRecord {
  readonly arena: number;
  /** Place in its arena. */
  readonly index: number;
  readonly function: string;
  readonly address: bigint;
  /** Bytes of the original function by its symbol. */
  readonly size: number;
  /** Bytes at the function's beginning before those that change. */
  readonly skipped: number;
  /** Where in dead padding the jump to the stub stands, if the entry only leads there. */
  readonly relay: bigint | null;
  /** What changes, `skipped` bytes behind `address`. */
  readonly original: Buffer;
  readonly jump: Buffer;
  /** Bits of its second argument's word for which it is called in any case; `null`: it is never passed by. */
  readonly unless: number | null;
  /** What the chain in the current plane says. */
  readonly chain: readonly ChainEntry[];
  readonly plane: number;
  /** Planes that hold a chain of this hook, older ones included. */
  readonly planes: readonly number[];
}

/** A loaded patch object; never unmapped, used again when the same patch comes back. */
export interface ImageRecord {
  readonly digest: string;
  readonly base: bigint;
  readonly size: bigint;
  /** What its labels `…$$previous` mean in it, in order: where they mean something else it is loaded anew. */
  readonly previous: readonly bigint[];
}

/** A data item of a patch, as far as others need to know of it. */
export interface ItemRecord {
  readonly name: string;
  /** The two copies of a global; `null` for an item of many objects. */
  readonly global: {
    readonly old: bigint;
    readonly oldSize: number;
    readonly new: bigint;
    readonly newSize: number;
  } | null;
  /** Words of code of ours that hold the runtime's number of the item; see data/follow.ts. */
  readonly words: readonly bigint[];
}

/**
 * The changing data of a patch. What it does is what the runtime's control block says of the set; which
 * copies are to live on follows from whether the patch is active.
 */
export interface DataRecord {
  /** The runtime's number of the set; `null`: there is none, the items' old copies are all there is. */
  readonly set: number | null;
  readonly items: readonly ItemRecord[];
}

/** The runtime that lives in the process, loaded once. */
export interface RuntimeRecord {
  /** Its image is among the images. */
  readonly digest: string;
  /** What it exports. */
  readonly symbols: readonly { readonly name: string; readonly address: bigint }[];
}

export interface PatchRecord {
  readonly name: string;
  readonly digest: string;
  /** Value of the selector from which the patch is active; `null`: rolled back. */
  readonly level: number | null;
  /** `null`: it changes no data. */
  readonly data: DataRecord | null;
  /** Hook (by its number in `hooks`) and the function that replaces it, with its size in bytes. */
  readonly functions: readonly {
    readonly hook: number;
    readonly target: bigint;
    readonly size: number;
  }[];
}

/** What a script wrote to repair the state for a patch; rolling that back restores it where it still stands. */
export interface RepairRecord {
  /** Number of the patch in its update. */
  readonly patch: number;
  readonly taint: string;
  readonly address: bigint;
  /** Of one length. */
  readonly before: Buffer;
  readonly after: Buffer;
  /** Written down before it was made, by a step that has not come to its end. */
  readonly announced: boolean;
}

export interface UpdateRecord {
  readonly name: string;
  readonly description: string;
  readonly scriptDigest: string;
  readonly scope: "process" | "tree";
  readonly appliedAt: string;
  readonly points: readonly { readonly name: string; readonly position: number }[];
  readonly patches: readonly PatchRecord[];
  /** Oldest first; only of patches that are active, but for the moment of a rollback. */
  readonly repairs: readonly RepairRecord[];
  readonly run: {
    readonly id: string;
    /** Activated everywhere, and known to be. */
    readonly finished: boolean;
    readonly injector: number;
    readonly injectorStart: bigint;
    /** Selector before the run, to undo it. */
    readonly before: number;
  };
}

/** A rollback over several processes that is under way. */
export interface PendingRollback {
  readonly id: string;
  readonly selector: number;
  readonly update: string;
  readonly point: string;
}

export interface TargetRecord {
  readonly arenas: readonly ArenaRecord[];
  readonly hooks: readonly HookRecord[];
  readonly images: readonly ImageRecord[];
  /** Oldest first; the rolled-back ones of late stay for `status --all`. */
  readonly updates: readonly UpdateRecord[];
  readonly pending: PendingRollback | null;
  /** `null`: no update has changed data yet. */
  readonly runtime: RuntimeRecord | null;
}

export const emptyRecord: TargetRecord = {
  arenas: [],
  hooks: [],
  images: [],
  updates: [],
  pending: null,
  runtime: null,
};

/** Rolled-back updates that are remembered. */
const longestHistory = 16;

export function isRolledBack(update: UpdateRecord): boolean {
  return update.patches.every((p) => p.level === null);
}

/** An update that is only recorded for the repairs that were to come before its first patch. */
export function neverActive(update: UpdateRecord): boolean {
  return !update.run.finished && isRolledBack(update);
}

/** True while the runtime in the target holds a set of the update's. */
export function holdsData(update: UpdateRecord): boolean {
  return update.patches.some(({ data }) => data !== null && data.set !== null);
}

/** Drops the oldest of those rolled-back updates that exceed the history and hold nothing. */
export function trimHistory(updates: readonly UpdateRecord[]): UpdateRecord[] {
  const isPast = (update: UpdateRecord): boolean => isRolledBack(update) && !holdsData(update);
  let excess = updates.filter(isPast).length - longestHistory;
  return updates.filter((update) => !(isPast(update) && excess-- > 0));
}

/** A record with every patch above `selector` marked as rolled back, and its repairs forgotten. */
export function rolledBackTo(record: TargetRecord, selector: number): TargetRecord {
  const kept = record.updates.filter((update) => !neverActive(update) || holdsData(update));
  const updates = kept.map((update) => ({
    ...update,
    run: update.patches.some((p) => p.level !== null && p.level > selector)
      ? { ...update.run, finished: true }
      : update.run,
    patches: update.patches.map((p) =>
      p.level !== null && p.level > selector ? { ...p, level: null } : p,
    ),
    repairs: update.repairs.filter(({ patch }) => !isAbove(update, patch, selector)),
  }));
  return { ...record, updates: trimHistory(updates), pending: null };
}

/**
 * The record as the selector makes it true: rolling back is one store, and whoever died
 * right after it has left the levels above as if they were active.
 */
export function trueRecord(record: TargetRecord, selector: number): TargetRecord {
  return {
    ...record,
    updates: record.updates.map((update) =>
      update.run.finished
        ? {
            ...update,
            patches: update.patches.map((p) =>
              p.level !== null && p.level > selector ? { ...p, level: null } : p,
            ),
          }
        : update,
    ),
  };
}

/** Whether a patch is not active when the selector has that value. */
function isAbove(update: UpdateRecord, patch: number, selector: number): boolean {
  const level = update.patches[patch]?.level ?? null;
  return level === null || level > selector;
}

/** A repair whose patch is not active any more: it is to be taken back. */
export interface DueRepair extends RepairRecord {
  readonly update: string;
}

/** Newest first. */
export function dueRepairs(record: TargetRecord, selector: number): readonly DueRepair[] {
  return record.updates
    .flatMap((update) =>
      update.repairs
        .filter(({ patch }) => isAbove(update, patch, selector))
        .map((repair) => ({ ...repair, update: update.name })),
    )
    .reverse();
}

/** Highest level of an update, 0 if it is rolled back. */
export function topLevel(update: UpdateRecord): number {
  return Math.max(0, ...update.patches.map((p) => p.level ?? 0));
}

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
}

export interface PatchRecord {
  readonly name: string;
  readonly digest: string;
  /** Value of the selector from which the patch is active; `null`: rolled back. */
  readonly level: number | null;
  /** Hook (by its number in `hooks`) and the function that replaces it, with its size in bytes. */
  readonly functions: readonly {
    readonly hook: number;
    readonly target: bigint;
    readonly size: number;
  }[];
}

export interface UpdateRecord {
  readonly name: string;
  readonly description: string;
  readonly scriptDigest: string;
  readonly scope: "process" | "tree";
  readonly appliedAt: string;
  readonly points: readonly { readonly name: string; readonly position: number }[];
  readonly patches: readonly PatchRecord[];
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
}

export const emptyRecord: TargetRecord = {
  arenas: [],
  hooks: [],
  images: [],
  updates: [],
  pending: null,
};

/** Rolled-back updates that are remembered. */
const longestHistory = 16;

export function isRolledBack(update: UpdateRecord): boolean {
  return update.patches.every((p) => p.level === null);
}

/** Drops the oldest of those rolled-back updates that exceed the history. */
export function trimHistory(updates: readonly UpdateRecord[]): UpdateRecord[] {
  let excess = updates.filter(isRolledBack).length - longestHistory;
  return updates.filter((update) => !(isRolledBack(update) && excess-- > 0));
}

/** A record with every patch above `selector` marked as rolled back. */
export function rolledBackTo(record: TargetRecord, selector: number): TargetRecord {
  const updates = record.updates.map((update) => ({
    ...update,
    run: update.patches.some((p) => p.level !== null && p.level > selector)
      ? { ...update.run, finished: true }
      : update.run,
    patches: update.patches.map((p) =>
      p.level !== null && p.level > selector ? { ...p, level: null } : p,
    ),
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

/** Highest level of an update, 0 if it is rolled back. */
export function topLevel(update: UpdateRecord): number {
  return Math.max(0, ...update.patches.map((p) => p.level ?? 0));
}

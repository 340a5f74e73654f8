/** The units of two trees side by side. */
import { availableParallelism } from "node:os";
import type { TranslationUnit, Tree } from "../model.js";
import type { PlacedUnit } from "./unit_build.js";

/** One source in both versions, with what tells whether it differs at all. */
export interface UnitPair {
  readonly source: string;
  readonly old: PlacedUnit | null;
  readonly new: PlacedUnit | null;
  /** Hash of the preprocessed text and options; empty where it was not needed or there is no unit. */
  oldHash: string;
  newHash: string;
}

export function pairsOf(old: Tree, now: Tree): readonly UnitPair[] {
  const before = new Map(old.units.map((unit) => [unit.source, unit]));
  const after = new Map(now.units.map((unit) => [unit.source, unit]));
  const placed = (root: string, unit: TranslationUnit | undefined): PlacedUnit | null =>
    unit === undefined ? null : { root, unit };
  return [...new Set([...before.keys(), ...after.keys()])].toSorted().map((source) => ({
    source,
    old: placed(old.root, before.get(source)),
    new: placed(now.root, after.get(source)),
    oldHash: "",
    newHash: "",
  }));
}

/** As many units at a time as keep all processors busy. */
export async function inParallel<T>(
  items: readonly T[],
  work: (item: T) => Promise<void>,
): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    try {
      for (let item = items[next++]; item !== undefined; item = items[next++]) await work(item);
    } catch (error) {
      // What has begun ends; nothing else begins.
      next = items.length;
      throw error;
    }
  };
  const workers = Math.max(2, availableParallelism());
  await Promise.all(Array.from({ length: workers }, worker));
}

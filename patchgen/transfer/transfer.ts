/**
 * State transfer: which variables and allocated objects the versions cannot share, what of the program
 * must see the new ones for that reason, and the patch's functions that carry them over.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { isHeldAnew } from "../detect/compare_data.js";
import { CompilerPool } from "../detect/compiler.js";
import type { ResultCache } from "../detect/result_cache.js";
import type { Detection, Tree } from "../model.js";
import { changesBetween, type Changes } from "./changes.js";
import { carriedStructs, itemsOf, type Item } from "./items.js";
import { allocatorsIn, readUnits, receiversIn } from "./sources.js";
import { seenUnit, withNeeded, withVariables } from "./users.js";
import { readWorld, type World } from "./world.js";

export interface Transfer {
  readonly old: World;
  readonly new: World;
  readonly changes: Changes;
  readonly items: readonly Item[];
  /** Records of which the program allocates objects without clearing them. */
  readonly uncleared: ReadonlySet<string>;
  /** The program starts threads, as far as its own source tells. */
  readonly threads: boolean;
}

export interface CarriedDetection {
  /** With the variables that hold something else only for what they point to, and who names them. */
  readonly detection: Detection;
  /** `null`: no object has two versions. */
  readonly transfer: Transfer | null;
}

/**
 * Finds out which objects must be carried over.
 * @throws PatchgenError NO_COMPILER, DOES_NOT_COMPILE
 */
export async function planTransfer(
  detection: Detection,
  cache: ResultCache,
  cancel: AbortSignal,
): Promise<CarriedDetection> {
  const sources = sourcesToRead(detection);
  if (sources.size === 0) return { detection, transfer: null };
  const pool = new CompilerPool(cancel);
  const seen = async (side: "old" | "new"): Promise<World> => {
    const tree = detection[side];
    const units = await Promise.all(
      tree.units
        .filter(({ source }) => sources.has(source))
        .map((unit) => seenUnit(detection, tree, unit, side, pool)),
    );
    return readWorld(tree, units, pool);
  };
  const [old, now] = await Promise.all([seen("old"), seen("new")]);
  const changes = changesBetween(old, now);
  if (changes.records.size === 0 && changes.variables.length === 0) {
    return { detection, transfer: null };
  }
  const units = await readUnits(detection.new, sources, cancel);
  const allocators = allocatorsIn(units).filter(({ type }) => changes.records.has(type));
  const items = itemsOf(changes, new Set(allocators.map(({ type }) => type)));
  const uncleared = new Set(allocators.filter(({ zeroed }) => !zeroed).map(({ type }) => type));
  const allocating = await withNeeded(detection, allocators, pool);
  const naming = await withVariables(allocating, changes, cache, pool);
  const records = new Set(carriedStructs(changes).map(({ name }) => name));
  const receivers = receiversIn(units, records, naming);
  return {
    detection: await withNeeded(naming, receivers, pool),
    transfer: { old, new: now, changes, items, uncleared, threads: startsThreads(detection.old) },
  };
}

function startsThreads({ root, units }: Tree): boolean {
  return units.some(({ source }) =>
    /\b(pthread_create|thrd_create)\b/.test(readFileSync(join(root, source), "latin1")),
  );
}

/** Units that see a type that differs, or define a variable that does. */
function sourcesToRead({ units, types }: Detection): ReadonlySet<string> {
  const sources = new Set<string>();
  for (const { kind, units: seeing } of types) {
    if (kind !== "enum") for (const source of seeing) sources.add(source);
  }
  for (const { source, data } of units) {
    if (data.some((change) => isHeldAnew(change) && !change.readOnly)) sources.add(source);
  }
  return sources;
}

/**
 * State transfer: which variables and allocated objects the versions cannot share, what of the program
 * must see the new ones for that reason, and the patch's functions that carry them over.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { isHeldAnew } from "../detect/compare_data.js";
import type { Compilations } from "../detect/compilations.js";
import type { ResultCache } from "../detect/result_cache.js";
import type { ShadowedRecord } from "../extract/shadow_fields.js";
import type { Unit } from "../extract/unit.js";
import type { Detection, Tree } from "../model.js";
import { changesBetween, type Changes } from "./changes.js";
import { heldObjects, type HeldObjects } from "./held.js";
import { carriedStructs, itemsOf, type Item } from "./items.js";
import { pointerTables } from "./pointer_tables.js";
import { shadowedRecords, withoutShadowed } from "./shadows.js";
import { allocatorsIn, readUnits, receiversIn, type Allocator } from "./sources.js";
import { seenUnit, withNeeded, withVariables } from "./users.js";
import { readWorld, type World } from "./world.js";

export interface Transfer {
  readonly old: World;
  readonly new: World;
  readonly changes: Changes;
  readonly items: readonly Item[];
  /** What has no copy though its layout differs. */
  readonly held: HeldObjects;
  /** Records that keep their layout: what was added to them lives beside their objects. */
  readonly shadowed: readonly ShadowedRecord[];
  /** Records of which the program allocates objects without clearing them. */
  readonly uncleared: ReadonlySet<string>;
  /** Pointers to pointers that lead to allocated tables, by the names of members and variables. */
  readonly tables: ReadonlySet<string>;
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
  compilations: Compilations,
): Promise<CarriedDetection> {
  const sources = sourcesToRead(detection);
  if (sources.size === 0) return { detection, transfer: null };
  const seen = async (side: "old" | "new"): Promise<World> => {
    const tree = detection[side];
    const units = await Promise.all(
      tree.units
        .filter(({ source }) => sources.has(source))
        .map((unit) => seenUnit(detection, tree, unit, side, compilations)),
    );
    return readWorld(tree, units, compilations);
  };
  const [old, seenNow] = await Promise.all([seen("old"), seen("new")]);
  const units = await readUnits(detection.new, sources, compilations);
  const all = allocatorsIn(units);
  const plan = planItems(old, seenNow, units, all);
  const { new: now, changes, shadowed } = plan;
  if (changes.records.size + changes.variables.length + shadowed.length === 0) {
    return { detection, transfer: null };
  }
  const isShadowed = (type: string): boolean => shadowed.some(({ name }) => name === type);
  const allocators = all.filter(({ type }) => changes.records.has(type) || isShadowed(type));
  const uncleared = new Set(allocators.filter(({ zeroed }) => !zeroed).map(({ type }) => type));
  const allocating = await withNeeded(detection, allocators, compilations);
  const naming = await withVariables(allocating, changes, cache, compilations);
  const records = new Set(carriedStructs(changes).map(({ name }) => name));
  const receivers = receiversIn(units, records, naming);
  const receiving = await withNeeded(naming, receivers, compilations);
  const side = { world: now, units };
  const held = await heldObjects(receiving, old, side, sources, changes, compilations);
  const threads = await startsThreads(detection.old, compilations);
  const tables = pointerTables(units, changes);
  return {
    detection: await withNeeded(receiving, held.needed, compilations),
    transfer: {
      ...{ old, new: now, changes, items: plan.items },
      ...{ held, shadowed, uncleared, tables, threads },
    },
  };
}

/** What has two versions, and what keeps its layout by shadow fields. */
function planItems(
  old: World,
  now: World,
  units: readonly Unit[],
  allocators: readonly Allocator[],
): Pick<Transfer, "new" | "changes" | "items" | "shadowed"> {
  const itemsBetween = (world: World): Pick<Transfer, "new" | "changes" | "items"> => {
    const changes = changesBetween(old, world);
    const allocated = allocators.filter(({ type }) => changes.records.has(type));
    return {
      new: world,
      changes,
      items: itemsOf(changes, new Set(allocated.map(({ type }) => type))),
    };
  };
  const plan = itemsBetween(now);
  const shadowed = shadowedRecords(old, now, plan.changes, plan.items, units);
  if (shadowed.length === 0) return { ...plan, shadowed };
  return { ...itemsBetween(withoutShadowed(now, old, shadowed)), shadowed };
}

const threadStarters = ["pthread_create", "thrd_create"] as const;

/** Whether some function starts a thread; what an `#if` leaves out, or the program defines itself, does not. */
async function startsThreads(tree: Tree, compilations: Compilations): Promise<boolean> {
  const mentions = ({ source }: { readonly source: string }): boolean => {
    const text = readFileSync(join(tree.root, source), "latin1");
    return threadStarters.some((name) => text.includes(name));
  };
  const sources = new Set(tree.units.filter(mentions).map(({ source }) => source));
  const units = await readUnits(tree, sources, compilations);
  return units.some((unit) =>
    threadStarters.some(
      (name) =>
        !unit.functions.has(name) &&
        [...unit.functions.values()].some(({ item }) =>
          unit.namesIn(item.body ?? item.last, item.last).has(name),
        ),
    ),
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

/**
 * State transfer: which variables and allocated objects the versions cannot share, what of the program
 * must see the new ones for that reason, and the patch's functions that carry them over.
 */
import { isHeldAnew, referrersOf } from "../detect/compare_data.js";
import { closeOverUnits } from "../detect/cross_units.js";
import { CompilerPool } from "../detect/compiler.js";
import { readDebugFacts } from "../detect/debug_facts.js";
import { IncludedFiles } from "../detect/included_files.js";
import type { ResultCache } from "../detect/result_cache.js";
import { pairsOf } from "../detect/unit_pairs.js";
import { buildUnit, withLinked, type UnitBuild } from "../detect/unit_build.js";
import { unitSymbols } from "../detect/unit_symbols.js";
import type { UnitDifference } from "../detect/compare_unit.js";
import type {
  DataChange,
  Detection,
  TranslationUnit,
  Tree,
  UnitChange,
  UnitSymbols,
} from "../model.js";
import { changesBetween, type CarriedVariable, type Changes } from "./changes.js";
import { itemsOf, type Item } from "./items.js";
import { readWorld, type World } from "./world.js";

export interface Transfer {
  readonly old: World;
  readonly new: World;
  readonly changes: Changes;
  readonly items: readonly Item[];
}

export interface CarriedDetection {
  /** With the variables that hold something else only for what they point to, and who names them. */
  readonly detection: Detection;
  /** `null`: no object has two versions. */
  readonly transfer: Transfer | null;
}

/** The version of a unit that one of the trees has, with what it defines. */
interface SeenUnit {
  readonly unit: TranslationUnit;
  readonly symbols: UnitSymbols;
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
  const items = itemsOf(changes, new Set());
  return {
    detection: await withVariables(detection, changes, cache, pool),
    transfer: { old, new: now, changes, items },
  };
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

async function seenUnit(
  { units }: Detection,
  tree: Tree,
  unit: TranslationUnit,
  side: "old" | "new",
  pool: CompilerPool,
): Promise<SeenUnit> {
  const known = units.find(({ source }) => source === unit.source);
  const symbols = side === "old" ? known?.oldSymbols : known?.newSymbols;
  if (symbols !== undefined) return { unit, symbols };
  const placed = { root: tree.root, unit };
  const build = await buildUnit(pool, placed);
  return { unit, symbols: await symbolsOf(pool, placed, build) };
}

function symbolsOf(
  pool: CompilerPool,
  placed: { readonly root: string; readonly unit: TranslationUnit },
  build: UnitBuild,
): Promise<UnitSymbols> {
  return withLinked(pool, placed, build.assembly, (path) =>
    unitSymbols(build.meaning, build.binary, readDebugFacts(path)),
  );
}

/** The detection with every carried variable among the data that the patch holds anew. */
async function withVariables(
  detection: Detection,
  { variables }: Changes,
  cache: ResultCache,
  pool: CompilerPool,
): Promise<Detection> {
  const missing = variables.filter(({ is }) => {
    const unit = detection.units.find(({ source }) => source === is.source);
    const change = unit?.data.find((one) => one.name === is.name && one.function === is.function);
    return change === undefined || !isHeldAnew(change);
  });
  if (missing.length === 0) return detection;
  const found = new Map<string, UnitDifference>();
  for (const { source, functions, data, oldSymbols, newSymbols } of detection.units) {
    found.set(source, { functions, data, oldSymbols, newSymbols, types: [] });
  }
  for (const source of new Set(missing.map(({ is }) => is.source))) {
    const own = missing.filter(({ is }) => is.source === source);
    found.set(source, await withOwn(detection, source, found.get(source), own, pool));
  }
  const pairs = pairsOf(detection.old, detection.new);
  const files = new IncludedFiles(detection.new.root);
  const closed = await closeOverUnits(pairs, found, files, pool, cache);
  const units = pairs.flatMap(({ source, old, new: now }): readonly UnitChange[] => {
    const one = closed.get(source);
    if (one === undefined || one.functions.length + one.data.length === 0) return [];
    const { functions, data, oldSymbols, newSymbols } = one;
    return [
      {
        source,
        old: old?.unit ?? null,
        new: now?.unit ?? null,
        functions,
        data,
        oldSymbols,
        newSymbols,
      },
    ];
  });
  return { ...detection, units };
}

/** A unit's difference with some of its own variables and the functions that name them. */
async function withOwn(
  detection: Detection,
  source: string,
  known: UnitDifference | undefined,
  own: readonly CarriedVariable[],
  pool: CompilerPool,
): Promise<UnitDifference> {
  const unit = detection.new.units.find((one) => one.source === source);
  const before = detection.old.units.find((one) => one.source === source);
  if (unit === undefined || before === undefined)
    throw new Error(`${source} is in one version only`);
  const placed = { root: detection.new.root, unit };
  const build = await buildUnit(pool, placed);
  const symbols = known ?? {
    oldSymbols: (await seenUnit(detection, detection.old, before, "old", pool)).symbols,
    newSymbols: await symbolsOf(pool, placed, build),
  };
  const changes = own.map(({ was, is }): DataChange => ({
    name: is.name,
    static: is.static,
    function: is.function,
    how: "layout",
    readOnly: false,
    oldSymbol: was.symbol,
    oldSize: was.size,
    newSize: is.size,
    types: [],
  }));
  const names = new Set(changes.map(keyOf));
  const data = [...(known?.data ?? []).filter((one) => !names.has(keyOf(one))), ...changes];
  const functions = new Map((known?.functions ?? []).map((one) => [one.name, one]));
  for (const [name, of] of referrersOf(changes, build.meaning)) {
    const before = functions.get(name);
    if (before !== undefined && before.how !== "changed") continue;
    const symbol = symbols.oldSymbols.functions.find((one) => one.name === name);
    const reasons = of.map((one) => ({ kind: "refers-to-data" as const, of: one.name }));
    functions.set(name, {
      name,
      static: before?.static ?? symbol?.static ?? true,
      how: "changed",
      reasons: [...(before?.reasons ?? []), ...reasons],
      symbol: before?.symbol ?? symbol?.symbol ?? false,
      signature: before?.signature ?? false,
    });
  }
  const byName = <T extends { readonly name: string }>(left: T, right: T): number =>
    left.name < right.name ? -1 : 1;
  return {
    ...{ oldSymbols: symbols.oldSymbols, newSymbols: symbols.newSymbols, types: [] },
    functions: [...functions.values()].toSorted(byName),
    data: data.toSorted(byName),
  };
}

function keyOf({ name, function: host }: DataChange): string {
  return `${name} ${host ?? ""}`;
}

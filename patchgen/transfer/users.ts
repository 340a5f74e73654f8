/** Who must see the new version of objects that have two: those who name or allocate them, changed or not. */
import { isHeldAnew, referrersOf } from "../detect/compare_data.js";
import type { UnitDifference } from "../detect/compare_unit.js";
import type { Compilations } from "../detect/compilations.js";
import { closeOverUnits } from "../detect/cross_units.js";
import { IncludedFiles } from "../detect/included_files.js";
import type { ResultCache } from "../detect/result_cache.js";
import { pairsOf } from "../detect/unit_pairs.js";
import type {
  DataChange,
  Detection,
  FunctionChange,
  TranslationUnit,
  Tree,
  UnitChange,
  UnitSymbols,
} from "../model.js";
import type { CarriedVariable, Changes } from "./changes.js";
import type { Needed } from "./sources.js";

/** The version of a unit that one of the trees has, with what it defines. */
interface SeenUnit {
  readonly unit: TranslationUnit;
  readonly symbols: UnitSymbols;
}

export async function seenUnit(
  { units }: Detection,
  tree: Tree,
  unit: TranslationUnit,
  side: "old" | "new",
  compilations: Compilations,
): Promise<SeenUnit> {
  const known = units.find(({ source }) => source === unit.source);
  const symbols = side === "old" ? known?.oldSymbols : known?.newSymbols;
  if (symbols !== undefined) return { unit, symbols };
  return { unit, symbols: await compilations.symbols({ root: tree.root, unit }) };
}

/** The detection with functions that are needed among the changed ones. */
export async function withNeeded(
  detection: Detection,
  needed: readonly Needed[],
  compilations: Compilations,
): Promise<Detection> {
  const units = new Map(detection.units.map((unit) => [unit.source, unit]));
  for (const { source, function: name, static: isStatic, reason } of needed) {
    const known = units.get(source) ?? (await unchangedUnit(detection, source, compilations));
    if (known === null || known.functions.some((one) => one.name === name)) continue;
    const symbol = known.oldSymbols.functions.find((one) => one.name === name)?.symbol ?? false;
    const change: FunctionChange = {
      name,
      static: isStatic,
      how: "changed",
      reasons: [reason],
      symbol,
      signature: false,
    };
    units.set(source, { ...known, functions: [...known.functions, change].toSorted(byName) });
  }
  const bySource = (left: UnitChange, right: UnitChange): number =>
    left.source < right.source ? -1 : 1;
  return { ...detection, units: [...units.values()].toSorted(bySource) };
}

/** `null`: one version does not have it, so that its functions are new or gone. */
async function unchangedUnit(
  detection: Detection,
  source: string,
  compilations: Compilations,
): Promise<UnitChange | null> {
  const old = detection.old.units.find((unit) => unit.source === source);
  const now = detection.new.units.find((unit) => unit.source === source);
  if (old === undefined || now === undefined) return null;
  const [before, after] = await Promise.all([
    seenUnit(detection, detection.old, old, "old", compilations),
    seenUnit(detection, detection.new, now, "new", compilations),
  ]);
  const symbols = { oldSymbols: before.symbols, newSymbols: after.symbols };
  return { source, old, new: now, functions: [], data: [], ...symbols };
}

/** The detection with every carried variable among the data that the patch holds anew. */
export async function withVariables(
  detection: Detection,
  { variables }: Changes,
  cache: ResultCache,
  compilations: Compilations,
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
    found.set(source, await withOwn(detection, source, found.get(source), own, compilations));
  }
  const pairs = pairsOf(detection.old, detection.new);
  const files = new IncludedFiles(detection.new.root);
  const closed = await closeOverUnits(pairs, found, files, compilations, cache);
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
  compilations: Compilations,
): Promise<UnitDifference> {
  const unit = detection.new.units.find((one) => one.source === source);
  const before = detection.old.units.find((one) => one.source === source);
  if (unit === undefined || before === undefined)
    throw new Error(`${source} is in one version only`);
  const placed = { root: detection.new.root, unit };
  const build = await compilations.build(placed);
  const symbols = known ?? {
    oldSymbols: (await seenUnit(detection, detection.old, before, "old", compilations)).symbols,
    newSymbols: await compilations.symbols(placed),
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
  for (const [name, of] of referrersOf(changes, build)) {
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
  return {
    ...{ oldSymbols: symbols.oldSymbols, newSymbols: symbols.newSymbols, types: [] },
    functions: [...functions.values()].toSorted(byName),
    data: data.toSorted(byName),
  };
}

function keyOf({ name, function: host }: DataChange): string {
  return `${name} ${host ?? ""}`;
}

function byName<T extends { readonly name: string }>(left: T, right: T): number {
  return left.name < right.name ? -1 : 1;
}

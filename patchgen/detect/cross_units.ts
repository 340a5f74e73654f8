/**
 * Changed objects that other units name: these units may have the same text in both versions, and yet
 * their functions must see the object that the patch holds.
 */
import type { DataChange, FunctionChange } from "../model.js";
import type { UnitDifference } from "./compare_unit.js";
import { isHeldAnew } from "./compare_data.js";
import type { Compilations } from "./compilations.js";
import { mayName, type IncludedFiles } from "./included_files.js";
import { cacheKey, type ResultCache } from "./result_cache.js";
import type { PlacedUnit } from "./unit_build.js";
import { inParallel, type UnitPair } from "./unit_pairs.js";
import { dataOf, groupFunctions } from "./unit_symbols.js";
import { usesAny } from "./unused_declarations.js";

/** The differences with those of other units that follow from them. */
export async function closeOverUnits(
  pairs: readonly UnitPair[],
  found: ReadonlyMap<string, UnitDifference>,
  files: IncludedFiles,
  compilations: Compilations,
  cache: ResultCache,
): Promise<ReadonlyMap<string, UnitDifference>> {
  const all = new Map(found);
  const told = new Set<string>();
  for (;;) {
    const fresh = new Set<string>();
    for (const { data } of all.values()) {
      for (const change of data) {
        if (change.static || change.function !== null || !isHeldAnew(change)) continue;
        if (!told.has(change.name)) fresh.add(change.name);
      }
    }
    if (fresh.size === 0) return all;
    const names = [...fresh].toSorted();
    for (const name of names) told.add(name);
    await inParallel(pairs, async (pair) => {
      const known = all.get(pair.source);
      const here = new Set(
        known?.data.filter((one) => one.function === null).map((one) => one.name),
      );
      const wanted = names.filter((name) => !here.has(name));
      if (pair.old === null || pair.new === null || wanted.length === 0) return;
      if (!mayName(pair.new.unit, files, wanted)) return;
      const referring = await referringIn(pair, pair.new, wanted, compilations, cache);
      if (referring !== null) all.set(pair.source, merged(known, referring));
    });
  }
}

/** `null`: nothing in the unit names one of the objects. */
async function referringIn(
  pair: UnitPair,
  placed: PlacedUnit,
  names: readonly string[],
  compilations: Compilations,
  cache: ResultCache,
): Promise<UnitDifference | null> {
  if (pair.newHash === "") pair.newHash = (await compilations.preprocessed(placed)).hash;
  const key = cacheKey("names", pair.newHash, ...names);
  const kept = await cache.get(key);
  if (kept !== null) return JSON.parse(kept) as UnitDifference | null;
  const result = usesAny(await compilations.text(placed), names)
    ? await referringByBuild(placed, names, compilations)
    : null;
  await cache.put(key, JSON.stringify(result));
  return result;
}

async function referringByBuild(
  placed: PlacedUnit,
  names: readonly string[],
  compilations: Compilations,
): Promise<UnitDifference | null> {
  const build = await compilations.build(placed);
  const patterns = names.map((name) => ({
    name,
    is: new RegExp(`(?<![\\w.$])${name}(?![\\w.$])`),
  }));
  const naming = (text: string): readonly string[] => {
    const code = text.replace(/"(\\.|[^"\\])*"/g, "");
    return patterns.filter(({ is }) => is.test(code)).map(({ name }) => name);
  };
  if (!build.meaning.some((item) => naming(item.text).length > 0)) return null;
  const symbols = await compilations.symbols(placed);
  const built = groupFunctions(build.binary);
  const functions = [...groupFunctions(build.meaning).values()].flatMap(
    (group): readonly FunctionChange[] => {
      // It may come to name them by what is inlined into it.
      const texts = `${group.text}\n${built.get(group.name)?.text ?? ""}`;
      const reasons = naming(texts).map((of) => ({ kind: "refers-to-data" as const, of }));
      if (reasons.length === 0) return [];
      const symbol = built.get(group.name)?.symbol ?? false;
      const { name } = group;
      return [{ name, static: group.static, how: "changed", reasons, symbol, signature: false }];
    },
  );
  const data = dataOf(build.meaning).flatMap((one): readonly DataChange[] => {
    if (naming(one.item.text).length === 0) return [];
    const { size, readOnly } = one.item;
    const oldSymbol =
      symbols.data.find((it) => it.name === one.name && it.function === one.function)?.symbol ??
      null;
    const sizes = { oldSize: size, newSize: size };
    const place = { static: one.item.static, function: one.function, readOnly, oldSymbol };
    return [{ name: one.name, how: "initialiser", ...place, ...sizes, types: [] }];
  });
  return { functions, data, oldSymbols: symbols, newSymbols: symbols, types: [] };
}

function merged(known: UnitDifference | undefined, more: UnitDifference): UnitDifference {
  if (known === undefined) return more;
  const functions = new Map(known.functions.map((one) => [one.name, one]));
  for (const one of more.functions) {
    const before = functions.get(one.name);
    if (before?.how === "added" || before?.how === "removed") continue;
    const reasons = [...(before?.reasons ?? []), ...one.reasons];
    functions.set(one.name, { ...(before ?? one), reasons });
  }
  const data = new Map(known.data.map((one) => [`${one.name} ${one.function ?? ""}`, one]));
  for (const one of more.data) {
    const key = `${one.name} ${one.function ?? ""}`;
    if (!data.has(key)) data.set(key, one);
  }
  const byName = <T extends { readonly name: string }>(left: T, right: T): number =>
    left.name < right.name ? -1 : 1;
  return {
    ...known,
    functions: [...functions.values()].toSorted(byName),
    data: [...data.values()].toSorted(byName),
  };
}

/** What differs in meaning between two versions of a program, by what the compiler makes of them. */
import { performance } from "node:perf_hooks";
import { PatchgenError } from "../error.js";
import type { Detection, Tree, TypeChange, UnitChange } from "../model.js";
import { compareUnit, type UnitDifference, type Version } from "./compare_unit.js";
import type { Compilations } from "./compilations.js";
import { closeOverUnits } from "./cross_units.js";
import { IncludedFiles, isSameText } from "./included_files.js";
import { cacheKey, ResultCache } from "./result_cache.js";
import { inParallel, pairsOf, type UnitPair } from "./unit_pairs.js";
import { neverWritten } from "./never_written.js";
import { optionsThatMatter, type PlacedUnit } from "./unit_build.js";
import { differInUnusedOnly } from "./unused_declarations.js";

export interface DetectRequest {
  readonly old: Tree;
  readonly new: Tree;
  /** `null`: nothing is kept between runs; see `defaultCacheFolder`. */
  readonly cacheFolder: string | null;
  /** Called after each unit. */
  readonly progress: (done: number, total: number) => void;
  readonly compilations: Compilations;
}

/**
 * Compares two trees. Units whose files, or whose preprocessed text, are the same are not compiled, nor those
 * that only see other declarations of what they do not use.
 * @throws PatchgenError NO_COMPILER, DOES_NOT_COMPILE, UNSUPPORTED_ASSEMBLY, CPLUSPLUS
 */
export async function detect(request: DetectRequest): Promise<Detection> {
  const started = performance.now();
  const { compilations } = request;
  const cache = new ResultCache(request.cacheFolder);
  await refuseOtherLanguages(request);
  const pairs = pairsOf(request.old, request.new);
  const files = {
    old: new IncludedFiles(request.old.root),
    new: new IncludedFiles(request.new.root),
  };
  const counts = { skipped: 0, cached: 0, done: 0 };
  const found = new Map<string, UnitDifference>();
  await inParallel(pairs, async (pair) => {
    const difference = await differenceOf(pair, files, compilations, cache, counts);
    if (difference !== null) found.set(pair.source, difference);
    request.progress(++counts.done, pairs.length);
  });
  const closed = await closeOverUnits(pairs, found, files.new, compilations, cache);
  return {
    old: request.old,
    new: request.new,
    units: pairs.flatMap((pair) => unitChange(pair, closed.get(pair.source))),
    types: mergeTypes(pairs, found),
    statistics: {
      units: pairs.length,
      skipped: counts.skipped,
      cached: counts.cached,
      seconds: (performance.now() - started) / 1000,
    },
  };
}

/** `null`: the unit does not differ. */
async function differenceOf(
  pair: UnitPair,
  files: { readonly old: IncludedFiles; readonly new: IncludedFiles },
  compilations: Compilations,
  cache: ResultCache,
  counts: { skipped: number; cached: number },
): Promise<UnitDifference | null> {
  if (pair.old !== null && pair.new !== null) {
    if (isSameText(pair.old, pair.new, files.old, files.new)) {
      counts.skipped++;
      return null;
    }
  }
  const hashOf = async (unit: PlacedUnit | null): Promise<string> =>
    unit === null ? "" : (await compilations.preprocessed(unit)).hash;
  [pair.oldHash, pair.newHash] = await Promise.all([hashOf(pair.old), hashOf(pair.new)]);
  if (pair.oldHash === pair.newHash || (await isAlike(pair, compilations))) {
    counts.skipped++;
    return null;
  }
  const key = cacheKey("unit", pair.source, pair.oldHash, pair.newHash);
  const kept = await cache.get(key);
  if (kept !== null) {
    counts.cached++;
    // Only what this function wrote has the right checksum.
    return JSON.parse(kept) as UnitDifference;
  }
  const [old, now] = await Promise.all([
    version(pair.old, compilations),
    version(pair.new, compilations),
  ]);
  const first = compareUnit(old, now);
  const unwritten =
    pair.old === null
      ? new Set<string>()
      : await neverWritten(pair.old, candidates(first), compilations);
  const difference = unwritten.size === 0 ? first : compareUnit(old, now, unwritten);
  if (difference.functions.length + difference.data.length === 0) {
    if (pair.old !== null) compilations.keepSymbols(pair.old, difference.oldSymbols);
    if (pair.new !== null) compilations.keepSymbols(pair.new, difference.newSymbols);
  }
  await cache.put(key, JSON.stringify(difference));
  return difference;
}

/** Whether the versions of a unit differ in nothing but declarations that it does not use. */
async function isAlike({ old, new: now }: UnitPair, compilations: Compilations): Promise<boolean> {
  if (old === null || now === null) return false;
  const options = [optionsThatMatter(old), optionsThatMatter(now)].map((one) => one.join("\0"));
  // Then types are in the debug information whether they are used or not.
  if (options[0] !== options[1] || /-fno-eliminate-unused/.test(options[0] ?? "")) return false;
  return differInUnusedOnly(await compilations.text(old), await compilations.text(now));
}

/** What would be treated otherwise if the program never wrote it. */
function candidates({ data }: UnitDifference): readonly string[] {
  return data
    .filter(({ how }) => how === "grown" || how === "layout" || how === "initialiser")
    .filter(({ static: local, function: host, readOnly }) => local && host === null && !readOnly)
    .map(({ name }) => name);
}

async function version(
  placed: PlacedUnit | null,
  compilations: Compilations,
): Promise<Version | null> {
  if (placed === null) return null;
  const build = await compilations.build(placed);
  return { build, facts: await compilations.facts(placed) };
}

function unitChange(pair: UnitPair, difference: UnitDifference | undefined): readonly UnitChange[] {
  if (difference === undefined) return [];
  const { functions, data, oldSymbols, newSymbols } = difference;
  if (functions.length + data.length === 0) return [];
  const { source } = pair;
  const units = { old: pair.old?.unit ?? null, new: pair.new?.unit ?? null };
  return [{ source, ...units, functions, data, oldSymbols, newSymbols }];
}

/** A header's type stands in many units: once for each way in which it differs. */
function mergeTypes(
  pairs: readonly UnitPair[],
  found: ReadonlyMap<string, UnitDifference>,
): readonly TypeChange[] {
  const merged = new Map<string, TypeChange & { units: string[] }>();
  for (const { source } of pairs) {
    for (const type of found.get(source)?.types ?? []) {
      const key = JSON.stringify(type);
      const known = merged.get(key);
      if (known === undefined) merged.set(key, { ...type, units: [source] });
      else known.units.push(source);
    }
  }
  return [...merged.values()].toSorted((left, right) => (left.name < right.name ? -1 : 1));
}

/** C++ cannot be patched; files that are the same in both versions do no harm. */
async function refuseOtherLanguages(request: DetectRequest): Promise<void> {
  const hashOf = async (placed: PlacedUnit): Promise<string> =>
    (await request.compilations.preprocessed(placed)).hash;
  const old = new Map(request.old.others.map((unit) => [unit.source, unit]));
  for (const unit of request.new.others) {
    const before = old.get(unit.source);
    const same =
      before !== undefined &&
      (await hashOf({ root: request.old.root, unit: before })) ===
        (await hashOf({ root: request.new.root, unit }));
    if (same) continue;
    throw new PatchgenError(
      "CPLUSPLUS",
      `${unit.source} is C++ and differs between the versions`,
      "POLUS patches C only: leave that file as it is, or restart the program for this version",
      unit.source,
    );
  }
}

/** What differs in meaning between two versions of a program, by what the compiler makes of them. */
import { performance } from "node:perf_hooks";
import { PatchgenError } from "../error.js";
import type { Detection, Tree, TypeChange, UnitChange } from "../model.js";
import { compareUnit, type UnitDifference, type Version } from "./compare_unit.js";
import { CompilerPool } from "./compiler.js";
import { closeOverUnits } from "./cross_units.js";
import { readDebugFacts } from "./debug_facts.js";
import { IncludedFiles, isSameText } from "./included_files.js";
import { cacheKey, ResultCache } from "./result_cache.js";
import { inParallel, pairsOf, type UnitPair } from "./unit_pairs.js";
import { neverWritten } from "./never_written.js";
import { buildUnit, preprocessedHash, withLinked, type PlacedUnit } from "./unit_build.js";

export interface DetectRequest {
  readonly old: Tree;
  readonly new: Tree;
  /** `null`: nothing is kept between runs; see `defaultCacheFolder`. */
  readonly cacheFolder: string | null;
  /** Called after each unit. */
  readonly progress: (done: number, total: number) => void;
  readonly cancel: AbortSignal;
}

/**
 * Compares two trees. Units whose files, or whose preprocessed text, are the same are not compiled.
 * @throws PatchgenError NO_COMPILER, DOES_NOT_COMPILE, UNSUPPORTED_ASSEMBLY, CPLUSPLUS
 */
export async function detect(request: DetectRequest): Promise<Detection> {
  const started = performance.now();
  const pool = new CompilerPool(request.cancel);
  const cache = new ResultCache(request.cacheFolder);
  await refuseOtherLanguages(request, pool);
  const pairs = pairsOf(request.old, request.new);
  const files = {
    old: new IncludedFiles(request.old.root),
    new: new IncludedFiles(request.new.root),
  };
  const counts = { skipped: 0, cached: 0, done: 0 };
  const found = new Map<string, UnitDifference>();
  await inParallel(pairs, async (pair) => {
    const difference = await differenceOf(pair, files, pool, cache, counts);
    if (difference !== null) found.set(pair.source, difference);
    request.progress(++counts.done, pairs.length);
  });
  const closed = await closeOverUnits(pairs, found, files.new, pool, cache);
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
  pool: CompilerPool,
  cache: ResultCache,
  counts: { skipped: number; cached: number },
): Promise<UnitDifference | null> {
  if (pair.old !== null && pair.new !== null) {
    if (isSameText(pair.old, pair.new, files.old, files.new)) {
      counts.skipped++;
      return null;
    }
  }
  const hashOf = (unit: PlacedUnit | null): Promise<string> =>
    unit === null ? Promise.resolve("") : preprocessedHash(pool, unit);
  [pair.oldHash, pair.newHash] = await Promise.all([hashOf(pair.old), hashOf(pair.new)]);
  if (pair.oldHash === pair.newHash) {
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
  const [before, after] = await Promise.all([version(pair.old, pool), version(pair.new, pool)]);
  const difference = await before((old) =>
    after(async (now) => {
      const found = compareUnit(old, now);
      const unwritten =
        pair.old === null
          ? new Set<string>()
          : await neverWritten(pair.old, candidates(found), pool.cancel);
      return unwritten.size === 0 ? found : compareUnit(old, now, unwritten);
    }),
  );
  await cache.put(key, JSON.stringify(difference));
  return difference;
}

/** What would be treated otherwise if the program never wrote it. */
function candidates({ data }: UnitDifference): readonly string[] {
  return data
    .filter(({ how }) => how === "grown" || how === "layout" || how === "initialiser")
    .filter(({ static: local, function: host, readOnly }) => local && host === null && !readOnly)
    .map(({ name }) => name);
}

type WithVersion = <T>(use: (version: Version | null) => T | Promise<T>) => Promise<T>;

/** Compiles a version; what it returns links it and hands it over while its file is there. */
async function version(placed: PlacedUnit | null, pool: CompilerPool): Promise<WithVersion> {
  if (placed === null) return async (use) => use(null);
  const build = await buildUnit(pool, placed);
  return (use) =>
    withLinked(pool, placed, build.assembly, async (path) =>
      use({ build, facts: readDebugFacts(path) }),
    );
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
async function refuseOtherLanguages(request: DetectRequest, pool: CompilerPool): Promise<void> {
  const old = new Map(request.old.others.map((unit) => [unit.source, unit]));
  for (const unit of request.new.others) {
    const before = old.get(unit.source);
    const same =
      before !== undefined &&
      (await preprocessedHash(pool, { root: request.old.root, unit: before })) ===
        (await preprocessedHash(pool, { root: request.new.root, unit }));
    if (same) continue;
    throw new PatchgenError(
      "CPLUSPLUS",
      `${unit.source} is C++ and differs between the versions`,
      "POLUS patches C only: leave that file as it is, or restart the program for this version",
      unit.source,
    );
  }
}

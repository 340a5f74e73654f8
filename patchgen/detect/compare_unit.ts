/** What differs between two versions of one unit. */
import type { DataChange, FunctionChange, Reason, UnitChange, UnitSymbols } from "../model.js";
import { compareData, referrersOf } from "./compare_data.js";
import { compareTypes, type TypeDifference } from "./compare_types.js";
import type { DebugFacts } from "./debug_facts.js";
import type { UnitBuild } from "./unit_build.js";
import { groupFunctions, touchesClones, unitSymbols, type FunctionGroup } from "./unit_symbols.js";

export interface Version {
  readonly build: UnitBuild;
  readonly facts: DebugFacts;
}

/** A unit's differences without the units themselves: what the cache keeps. */
export type UnitDifference = Omit<UnitChange, "source" | "old" | "new"> & {
  readonly types: readonly TypeDifference[];
};

const nothing: UnitBuild = { meaning: [], binary: [] };
const noSymbols: UnitSymbols = { functions: [], data: [] };

/**
 * `null`: that version does not have the unit.
 * @param neverWritten statics that the old unit never writes
 */
export function compareUnit(
  before: Version | null,
  after: Version | null,
  neverWritten: ReadonlySet<string> = new Set(),
): UnitDifference {
  const old = before?.build ?? nothing;
  const now = after?.build ?? nothing;
  const types = compareTypes(before?.facts.types ?? [], after?.facts.types ?? []);
  const oldSymbols = symbolsOf(before);
  const newSymbols = symbolsOf(after);
  const changedTypes = new Set(types.map((type) => type.name));
  const data = compareData(before, after, oldSymbols, changedTypes, neverWritten);
  const referring = referrersOf(data, now);
  return {
    functions: compareFunctions(old, now, referring, before, after),
    data,
    oldSymbols,
    newSymbols,
    types,
  };
}

function symbolsOf(version: Version | null): UnitSymbols {
  if (version === null) return noSymbols;
  return unitSymbols(version.build.meaning, version.build.binary, version.facts);
}

function compareFunctions(
  old: UnitBuild,
  now: UnitBuild,
  referring: ReadonlyMap<string, readonly DataChange[]>,
  before: Version | null,
  after: Version | null,
): readonly FunctionChange[] {
  const meant = { old: groupFunctions(old.meaning), now: groupFunctions(now.meaning) };
  const built = { old: groupFunctions(old.binary), now: groupFunctions(now.binary) };
  const names = new Set([...meant.old.keys(), ...meant.now.keys()]);
  return [...names].toSorted().flatMap((name): readonly FunctionChange[] => {
    const was = meant.old.get(name);
    const is = meant.now.get(name);
    const how = was === undefined ? "added" : is === undefined ? "removed" : "changed";
    const reasons: Reason[] =
      was === undefined || is === undefined
        ? [{ kind: was === undefined ? "added" : "removed" }]
        : reasonsOf(was, is, built.old.get(name), built.now.get(name));
    for (const one of how === "changed" ? (referring.get(name) ?? []) : []) {
      reasons.push({ kind: "refers-to-data", of: one.name });
    }
    if (reasons.length === 0) return [];
    return [
      {
        name,
        static: (is ?? was)?.static ?? true,
        how,
        reasons,
        symbol: built.old.get(name)?.symbol ?? false,
        signature:
          how === "changed" && before?.facts.signatureOf(name) !== after?.facts.signatureOf(name),
      },
    ];
  });
}

/**
 * A function whose code at the build's own flags is the same needs no new version, whatever the
 * source looks like; unless it passes to a clone what the clone was made for.
 */
function reasonsOf(
  was: FunctionGroup,
  is: FunctionGroup,
  oldCode: FunctionGroup | undefined,
  newCode: FunctionGroup | undefined,
): Reason[] {
  const sameCode =
    oldCode?.symbol === true && newCode !== undefined && oldCode.text === newCode.text;
  if (was.text !== is.text) {
    return sameCode && !touchesClones(newCode) ? [] : [{ kind: "body" }];
  }
  const changed = oldCode !== undefined && newCode !== undefined && oldCode.text !== newCode.text;
  return changed ? [{ kind: "binary" }] : [];
}

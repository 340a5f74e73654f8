/** What became of a unit's objects of static storage duration, and who must see the new ones. */
import type { UnitBuild } from "./unit_build.js";
import type { DataChange, DataHow, UnitSymbols } from "../model.js";
import type { AssemblyItem } from "./assembly.js";
import type { VariableShape } from "./debug_facts.js";
import type { Version } from "./compare_unit.js";
import { dataOf, groupFunctions, type DataItem } from "./unit_symbols.js";

/**
 * @param changedTypes names of the types that differ between the versions
 * @param neverWritten statics that the old unit never writes
 */
export function compareData(
  before: Version | null,
  after: Version | null,
  oldSymbols: UnitSymbols,
  changedTypes: ReadonlySet<string>,
  neverWritten: ReadonlySet<string>,
): readonly DataChange[] {
  const old = byKey(before);
  const now = byKey(after);
  const changes: DataChange[] = [];
  for (const key of [...new Set([...old.keys(), ...now.keys()])].toSorted()) {
    const was = old.get(key);
    const is = now.get(key);
    const named = is ?? was;
    if (named === undefined) continue;
    const shapes = {
      was: before?.facts.variable(named.name, named.function) ?? null,
      is: after?.facts.variable(named.name, named.function) ?? null,
    };
    const types = (shapes.is?.contains ?? []).filter((type) => changedTypes.has(type));
    const how = howData(was, is, shapes.was, shapes.is, types);
    if (how === null) continue;
    changes.push({
      name: named.name,
      static: named.item.static,
      function: named.function,
      how,
      readOnly: named.item.readOnly || (named.function === null && neverWritten.has(named.name)),
      oldSymbol: was === undefined ? null : symbolOf(oldSymbols, named.name, named.function),
      oldSize: was?.item.size ?? 0,
      newSize: is?.item.size ?? 0,
      types,
    });
  }
  return throughReferences(changes, now, oldSymbols);
}

/** The old build's symbol of an object, `null` if the compiler left it out. */
function symbolOf(symbols: UnitSymbols, name: string, owner: string | null): string | null {
  const found = symbols.data.find((one) => one.name === name && one.function === owner);
  return found?.symbol ?? null;
}

function byKey(version: Version | null): ReadonlyMap<string, DataItem> {
  const found = new Map<string, DataItem>();
  for (const data of dataOf(version?.build.meaning ?? [])) {
    const key = `${data.name} ${data.function ?? ""}`;
    // Two blocks of a function may each have a static local of that name.
    for (let number = 1; ; number++) {
      const unique = number === 1 ? key : `${key} ${number}`;
      if (found.has(unique)) continue;
      found.set(unique, data);
      break;
    }
  }
  return found;
}

function howData(
  was: DataItem | undefined,
  is: DataItem | undefined,
  oldShape: VariableShape | null,
  newShape: VariableShape | null,
  types: readonly string[],
): DataHow | null {
  if (was === undefined) return "added";
  if (is === undefined) return "removed";
  const bothKnown = oldShape !== null && newShape !== null;
  const sameElements = bothKnown && oldShape.element === newShape.element && types.length === 0;
  if (was.item.size !== is.item.size) {
    const array = newShape?.element !== null && is.item.size > was.item.size;
    return sameElements && array ? "grown" : "layout";
  }
  if (types.length > 0 || (bothKnown && oldShape.type !== newShape.type)) return "layout";
  if (was.item.static !== is.item.static) return "linkage";
  return was.item.text === is.item.text ? null : "initialiser";
}

/** Objects that the patch holds anew, so that who names them must name the new ones. */
export function isHeldAnew(change: DataChange): boolean {
  switch (change.how) {
    case "layout":
    case "grown":
      return true;
    case "initialiser":
      // What the program may write stays where it is and gets the new contents there.
      return change.readOnly;
    default:
      return false;
  }
}

/** Objects that hold the address of one that the patch holds anew have other contents, too. */
function throughReferences(
  changes: readonly DataChange[],
  now: ReadonlyMap<string, DataItem>,
  oldSymbols: UnitSymbols,
): readonly DataChange[] {
  const all = [...changes];
  const known = new Set(all.map((change) => `${change.name} ${change.function ?? ""}`));
  for (let at = 0; at < all.length; at++) {
    const change = all[at];
    if (change === undefined || !isHeldAnew(change)) continue;
    for (const [key, { item, name, function: owner }] of now) {
      if (known.has(key) || !refersTo(item, change, now)) continue;
      known.add(key);
      all.push({
        name,
        static: item.static,
        function: owner,
        how: "initialiser",
        readOnly: item.readOnly,
        oldSymbol: symbolOf(oldSymbols, name, owner),
        oldSize: item.size,
        newSize: item.size,
        types: [],
      });
    }
  }
  return all.toSorted((left, right) => (left.name < right.name ? -1 : 1));
}

function refersTo(
  item: AssemblyItem,
  change: DataChange,
  now: ReadonlyMap<string, DataItem>,
): boolean {
  const target = now.get(`${change.name} ${change.function ?? ""}`);
  return target !== undefined && item.references.has(target.item.symbol);
}

/**
 * Functions by name, each with the objects held anew that it names, in the source or by what is inlined
 * into it.
 */
export function referrersOf(
  changes: readonly DataChange[],
  { meaning, binary }: Pick<UnitBuild, "meaning" | "binary">,
): ReadonlyMap<string, readonly DataChange[]> {
  const found = new Map<string, DataChange[]>();
  addReferrers(changes, meaning, found);
  addReferrers(changes, binary, found);
  return found;
}

function addReferrers(
  changes: readonly DataChange[],
  items: readonly AssemblyItem[],
  found: Map<string, DataChange[]>,
): void {
  const objects = dataOf(items);
  const groups = groupFunctions(items);
  for (const change of changes.filter(isHeldAnew)) {
    const symbols = objects
      .filter((data) => data.name === change.name && data.function === change.function)
      .map((data) => data.item.symbol);
    for (const group of groups.values()) {
      if (!symbols.some((symbol) => group.references.has(symbol))) continue;
      const known = found.get(group.name) ?? [];
      if (!known.includes(change)) found.set(group.name, [...known, change]);
    }
  }
}

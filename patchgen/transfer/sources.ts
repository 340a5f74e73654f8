/** What the new version's source says of functions: which allocate objects, which get them from others. */
import { allocationsIn } from "../extract/allocations.js";
import { givesObjects, ObjectTypes } from "../extract/object_pointers.js";
import type { Compilations } from "../detect/compilations.js";
import { preprocessPlainly } from "../extract/preprocess.js";
import { Unit } from "../extract/unit.js";
import type { Detection, Reason, Tree } from "../model.js";

/** A function that must be in the patch though its own text may be the same. */
export interface Needed {
  readonly source: string;
  readonly function: string;
  readonly static: boolean;
  readonly reason: Reason;
}

/** A place where a function allocates an object. */
export interface Allocator extends Needed {
  /** `struct node`, or a typedef's name. */
  readonly type: string;
  readonly zeroed: boolean;
}

/** @throws PatchgenError NO_COMPILER, DOES_NOT_COMPILE */
export async function readUnits(
  tree: Tree,
  sources: ReadonlySet<string>,
  compilations: Compilations,
): Promise<readonly Unit[]> {
  const units: Unit[] = [];
  for (const translation of tree.units.filter(({ source }) => sources.has(source))) {
    const placed = { root: tree.root, unit: translation };
    const preprocessed = await preprocessPlainly(compilations, placed);
    units.push(new Unit(translation.source, preprocessed, null));
  }
  return units;
}

export function allocatorsIn(units: readonly Unit[]): readonly Allocator[] {
  return units.flatMap((unit) =>
    [...unit.functions].flatMap(([name, { item }]) =>
      allocationsIn(unit, item).flatMap(({ type, zeroed }): readonly Allocator[] => {
        if (type === null) return [];
        const place = { source: unit.name, function: name, static: unit.isStatic(name) };
        return [{ ...place, reason: { kind: "allocates", of: type }, type, zeroed }];
      }),
    ),
  );
}

/**
 * Functions that get objects from changed ones: what those return to the program's own code are the
 * old copies, so that who is called by new code must be the patch's.
 */
export function receiversIn(
  units: readonly Unit[],
  records: ReadonlySet<string>,
  { units: changed }: Detection,
): readonly Needed[] {
  const key = (unit: Unit, name: string): string =>
    unit.isStatic(name) ? `${unit.name} ${name}` : name;
  const found = new Map<string, Needed>();
  const isChanged = (unit: Unit, name: string): boolean =>
    found.has(key(unit, name)) ||
    (changed
      .find(({ source }) => source === unit.name)
      ?.functions.some((one) => one.name === name && one.how === "changed") ??
      false);
  const gives = units.map((unit) => {
    const types = new ObjectTypes(unit, records);
    return new Set(
      [...unit.functions].flatMap(([name, declared]) => {
        const pointers = types.function(declared);
        return pointers !== null && givesObjects(pointers) ? [name] : [];
      }),
    );
  });
  for (let count = -1; count !== found.size;) {
    count = found.size;
    const shared = new Set<string>();
    const own = units.map((unit, at) => {
      const names = [...(gives[at] ?? [])].filter((name) => isChanged(unit, name));
      for (const name of names) if (!unit.isStatic(name)) shared.add(name);
      return new Set(names);
    });
    for (const [at, unit] of units.entries()) {
      for (const [name, { item }] of unit.functions) {
        if (isChanged(unit, name)) continue;
        const of = calledIn(unit, item.body ?? item.last, item.last, (callee) =>
          unit.functions.has(callee) ? (own[at]?.has(callee) ?? false) : shared.has(callee),
        );
        if (of === null) continue;
        const place = { source: unit.name, function: name, static: unit.isStatic(name) };
        found.set(key(unit, name), { ...place, reason: { kind: "receives", of } });
      }
    }
  }
  return [...found.values()];
}

/** The first function for which `which` holds and that is called between two tokens. */
function calledIn(
  { tokens }: Unit,
  first: number,
  last: number,
  which: (name: string) => boolean,
): string | null {
  for (let at = first; at < last; at++) {
    const text = tokens[at]?.text ?? "";
    if (tokens[at + 1]?.text === "(" && which(text)) return text;
  }
  return null;
}

/** What a unit of the patch has to do with objects of which there are two versions. */
import { adoptionText, type AdoptedType } from "./allocations.js";
import {
  entryDeclarations,
  entryOf,
  looksUpItself,
  type Entry,
  type TypeIdentifier,
} from "./entries.js";
import type { Fates } from "./fates.js";
import { ObjectTypes } from "./object_pointers.js";
import { shadowText, type ShadowedRecord } from "./shadow_fields.js";
import type { Unit } from "./unit.js";

/** The objects of a patch that have two versions. */
export interface PatchObjects {
  /** Names of all records of which there are two versions: `struct node`, or a typedef's name. */
  readonly records: ReadonlySet<string>;
  /** Those of which old code has objects on its stack, with the bytes that both versions of one take. */
  readonly rooms: ReadonlyMap<string, number>;
  /** Those of which objects are allocated. */
  readonly adopted: readonly AdoptedType[];
  /** Records that keep their layout by shadow fields. */
  readonly shadowed: readonly ShadowedRecord[];
  readonly identifier: TypeIdentifier;
}

export interface UnitObjects {
  readonly adopted: readonly AdoptedType[];
  readonly shadowed: readonly ShadowedRecord[];
  /** Functions of any unit that this one can call directly, by name. */
  readonly entries: ReadonlyMap<string, Entry>;
  /** Those of this unit. */
  readonly own: ReadonlyMap<string, Entry>;
  readonly rooms: ReadonlyMap<string, number>;
  /** Entries that are called by a function which keeps registers. */
  readonly kept: ReadonlySet<string>;
  readonly identifier: TypeIdentifier;
}

/** A unit whose fates are decided. */
export interface ObjectUnit {
  readonly unit: Unit;
  readonly fates: Fates;
}

/** What each of the units does, in their order. */
export function objectsOfUnits(
  units: readonly ObjectUnit[],
  objects: PatchObjects,
): readonly UnitObjects[] {
  const all = units.map((one) => entriesOf(one, objects));
  const shared = units.flatMap(({ unit }, at) =>
    [...(all[at] ?? [])].filter(([name]) => !unit.isStatic(name)),
  );
  return units.map(({ unit }, at) => {
    const own = all[at] ?? new Map<string, Entry>();
    const visible = shared.filter(([name]) => own.has(name) || !unit.functions.has(name));
    const entries = new Map(
      [...visible, ...own].filter(([, one]) => one.pointers.opaque === null || looksUpItself(one)),
    );
    return {
      adopted: namedIn(unit, objects.adopted),
      shadowed: namedIn(unit, objects.shadowed),
      entries,
      own,
      rooms: objects.rooms,
      kept: new Set(),
      identifier: objects.identifier,
    };
  });
}

function entriesOf(
  { unit, fates }: ObjectUnit,
  { records, rooms }: PatchObjects,
): ReadonlyMap<string, Entry> {
  const found = new Map<string, Entry>();
  if (records.size === 0) return found;
  const types = new ObjectTypes(unit, records);
  for (const [name, declared] of unit.functions) {
    const fate = fates.names.get(name);
    if (fate?.kind !== "replace") continue;
    const entry = entryOf(unit, types, declared, fate.as, rooms);
    if (entry !== null) found.set(name, entry);
  }
  return found;
}

/** Those that the unit's text names. */
function namedIn<T extends { readonly name: string }>(
  unit: Unit,
  records: readonly T[],
): readonly T[] {
  if (records.length === 0) return [];
  const words = new Set(unit.tokens.map(({ text }) => text));
  return records.filter(({ name }) => words.has(name.replace(/^struct /, "")));
}

/** What stands at the head of a unit's text for it. */
export function objectsHead(
  body: string,
  { adopted, shadowed, own, rooms, identifier }: UnitObjects,
): string {
  const records = [...own.values()].flatMap(({ pointers: { parameters, result } }) =>
    [...parameters, result].flatMap(({ record }) => (record === null ? [] : [record])),
  );
  return (
    (body.includes("POLUS_KEPT_CALLER") ? "#include <polus.h>\n" : "") +
    (body.includes("POLUS_ADOPT(") ? adoptionText(adopted) : "") +
    (/POLUS_(FIELD_|SIZE\(|FRESH\()/.test(body) ? shadowText(shadowed) : "") +
    (own.size === 0 ? "" : entryDeclarations(new Set(records), rooms, identifier))
  );
}

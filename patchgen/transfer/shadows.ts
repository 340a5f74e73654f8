/** Records that keep their layout though fields were added to them: those live in the shadow store. */
import { needsWholeObjects, shadowKey, type ShadowedRecord } from "../extract/shadow_fields.js";
import type { Unit } from "../extract/unit.js";
import type { CarriedRecord, Changes } from "./changes.js";
import type { Item } from "./items.js";
import { Roots } from "./roots.js";
import { containedRecord, textOf, type MemberShape, type RecordShape } from "./shapes.js";
import type { World } from "./world.js";

/**
 * Records whose objects cannot be found from the program's variables, to which members were only added,
 * at the end or in padding, and whose objects nothing copies or counts as a whole.
 */
export function shadowedRecords(
  old: World,
  now: World,
  changes: Changes,
  items: readonly Item[],
  units: readonly Unit[],
): readonly ShadowedRecord[] {
  const roots = new Roots(items, old.records, changes);
  return items.flatMap(({ record }): readonly ShadowedRecord[] => {
    if (record === null || roots.reaches(record.name)) return [];
    const added = addedMembers(record);
    if (added === null || isEmbedded(record.name, old, now)) return [];
    if (units.some((unit) => needsWholeObjects(unit, record.name))) return [];
    const fields = added.map(({ name }) => ({ name, key: shadowKey(record.name, name) }));
    return [{ name: record.name, oldSize: record.was.size, fields }];
  });
}

/** What the new version has more; `null`: something else differs, too. */
function addedMembers({ how, was, is }: CarriedRecord): readonly MemberShape[] | null {
  if (how !== "layout" || is.union || was.overlapping || is.overlapping) return null;
  if (is.size < was.size) return null;
  const same = (one: MemberShape, other: MemberShape | undefined): boolean =>
    other !== undefined &&
    one.offset === other.offset &&
    JSON.stringify(one.bits) === JSON.stringify(other.bits) &&
    textOf(one.shape) === textOf(other.shape);
  const kept = was.members.every((one) =>
    same(
      one,
      is.members.find(({ name }) => name === one.name),
    ),
  );
  const added = is.members.filter(({ name }) => !was.members.some((one) => one.name === name));
  const isPlain = added.every(({ bits, shape, name }) => {
    if (bits !== null || name === "") return false;
    return shape.kind !== "array" || shape.count !== null;
  });
  return kept && isPlain && added.length > 0 ? added : null;
}

/** Whether objects of the record lie within others, or are variables. */
function isEmbedded(name: string, old: World, now: World): boolean {
  return [old, now].some(
    ({ records, variables }) =>
      variables.some(({ shape }) => containedRecord(shape) === name) ||
      [...records.values()].some(({ members }) =>
        members.some(({ shape }) => containedRecord(shape) === name),
      ),
  );
}

/** The new version as it is when these records keep their old layout. */
export function withoutShadowed(
  now: World,
  old: World,
  shadowed: readonly ShadowedRecord[],
): World {
  const records = new Map<string, RecordShape>(now.records);
  for (const { name } of shadowed) {
    const was = old.records.get(name);
    if (was !== undefined) records.set(name, was);
  }
  return { ...now, records };
}

/** How the types of two versions of a unit compare. */
import type { MemberChange, TypeChange } from "../model.js";
import type { MemberShape, TypeShape } from "./debug_facts.js";

/** A type's difference, before it is known in which units it stands. */
export type TypeDifference = Omit<TypeChange, "units">;

/** Types that both versions define and that differ, also by what they contain by value. */
export function compareTypes(
  before: readonly TypeShape[],
  after: readonly TypeShape[],
): readonly TypeDifference[] {
  const old = new Map(before.map((type) => [type.name, type]));
  const pairs = after.flatMap((type) => {
    const was = old.get(type.name);
    return was === undefined ? [] : [{ was, is: type }];
  });
  const changed = new Set<string>();
  const enums = pairs.filter(
    ({ was, is }) => is.kind === "enum" && (was.size !== is.size || listed(was) !== listed(is)),
  );
  // A type that contains a changed one is changed: until no more are found.
  for (let count = -1; count !== changed.size;) {
    count = changed.size;
    for (const { was, is } of pairs) {
      if (is.kind === "enum" || changed.has(is.name)) continue;
      if (was.size !== is.size || memberChanges(was, is, changed).length > 0) changed.add(is.name);
    }
  }
  const records = pairs.filter(({ is }) => changed.has(is.name));
  return [...enums, ...records].map(({ was, is }) => ({
    name: is.name,
    kind: is.kind,
    onlyContained: is.kind !== "enum" && declared(was) === declared(is),
    oldSize: was.size,
    newSize: is.size,
    members: memberChanges(was, is, changed),
  }));
}

function listed(type: TypeShape): string {
  return type.values.join(" ");
}

/** As the source declares it, without places; a change that this does not show comes from inside. */
function declared(type: TypeShape): string {
  return type.members.map((one) => `${one.name} ${one.bits} ${one.type}`).join("; ");
}

function memberChanges(
  was: TypeShape,
  is: TypeShape,
  changed: ReadonlySet<string>,
): readonly MemberChange[] {
  const old = new Map(was.members.map((member) => [member.name, member]));
  const kept = new Set(is.members.map((member) => member.name));
  const changes: MemberChange[] = [];
  for (const member of is.members) {
    const before = old.get(member.name);
    const how = before === undefined ? "added" : howMember(before, member, changed);
    if (how !== null) {
      changes.push({
        name: member.name,
        how,
        oldOffset: before?.offset ?? null,
        newOffset: member.offset,
      });
    }
  }
  for (const member of was.members) {
    if (kept.has(member.name)) continue;
    changes.push({ name: member.name, how: "removed", oldOffset: member.offset, newOffset: null });
  }
  return changes;
}

function howMember(
  was: MemberShape,
  is: MemberShape,
  changed: ReadonlySet<string>,
): MemberChange["how"] | null {
  if (was.size !== is.size || was.bits !== is.bits) return "resized";
  if (was.type !== is.type) return "retyped";
  if (was.offset !== is.offset || was.firstBit !== is.firstBit) return "moved";
  return is.contains.some((name) => changed.has(name)) ? "contained" : null;
}

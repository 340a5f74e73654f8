/**
 * Objects that have no copy of the other version: those on the stacks of functions that are active when
 * the update is applied, and read-only ones that they name. Whom they give the address of such an object
 * is told by a parameter's type, or a person must decide.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Compilations } from "../detect/compilations.js";
import { ObjectTypes, type FunctionPointers } from "../extract/object_pointers.js";
import type { Declared, Unit } from "../extract/unit.js";
import type { Detection } from "../model.js";
import type { Changes } from "./changes.js";
import type { Mark } from "./copy.js";
import { usesIn, type Escape, type ObjectUses } from "./escapes.js";
import { containedRecord, elementOf, pointedRecord } from "./shapes.js";
import { readUnits, type Needed } from "./sources.js";
import type { World } from "./world.js";

export interface HeldObjects {
  /** Records of which the patch's functions may be given such objects. */
  readonly records: ReadonlySet<string>;
  /** Functions that have such objects, or hand on what they are given, changed or not. */
  readonly needed: readonly Needed[];
  readonly marks: readonly Mark[];
}

/** One version: what its units hold, and what was read of it. */
interface Side {
  readonly world: World;
  readonly units: readonly Unit[];
}

interface Found {
  readonly unit: Unit;
  readonly name: string;
  readonly uses: ObjectUses;
  readonly pointers: FunctionPointers | null;
  /** It takes a `void *`, and has to do with such records. */
  readonly untyped: boolean;
  /** A header defines it. */
  readonly shared: boolean;
}

const nothing: HeldObjects = { records: new Set(), needed: [], marks: [] };

/**
 * @param sources units that `now` has read
 * @throws PatchgenError NO_COMPILER, DOES_NOT_COMPILE
 */
export async function heldObjects(
  detection: Detection,
  old: World,
  now: Side,
  sources: ReadonlySet<string>,
  changes: Changes,
  compilations: Compilations,
): Promise<HeldObjects> {
  const all = new Set(changes.records.keys());
  if (all.size === 0) return nothing;
  const before: Side = { world: old, units: await readUnits(detection.old, sources, compilations) };
  const first = [before, now].flatMap((side) => functionsOf(side, all));
  const held = withContained(new Set(first.flatMap(({ uses }) => [...uses.holds])), changes);
  if (held.size === 0) return nothing;
  const words = wordsOf(held, first);
  const further = async (side: Side, tree: Detection["old"]): Promise<readonly Found[]> => {
    const others = new Set(
      tree.units
        .filter(({ source }) => !sources.has(source))
        .filter(({ source }) => words.test(readFileSync(join(tree.root, source), "latin1")))
        .map(({ source }) => source),
    );
    const units = [...side.units, ...(await readUnits(tree, others, compilations))];
    return functionsOf({ ...side, units }, held);
  };
  const found = [...(await further(before, detection.old)), ...(await further(now, detection.new))];
  const { marks, ...rest } = judge(found, held, changes);
  return { ...rest, marks: [...marks, ...pointersToConstants(before, now, changes)] };
}

/** Variables that may lead to read-only objects of another layout: there is no copy of those to lead to. */
function pointersToConstants(
  old: Side,
  now: Side,
  { variables, records }: Changes,
): readonly Mark[] {
  const constant = new Set(
    [old, now].flatMap(({ world }) =>
      world.variables.flatMap(({ readOnly, shape }) => (readOnly ? [containedRecord(shape)] : [])),
    ),
  );
  return variables.flatMap(({ is }): readonly Mark[] => {
    const target = pointedRecord(is.shape);
    if (target === null || !constant.has(target) || !records.has(target)) return [];
    const text = `it may lead to a read-only ${target}, which has no copy of the other version`;
    return [{ about: is.name, text }];
  });
}

/** By these words a unit shows that it may have to do with the records, though it does not see them. */
function wordsOf(held: ReadonlySet<string>, found: readonly Found[]): RegExp {
  const names = [...held].map((record) => record.replace(/^(struct|union) /, ""));
  const takers = found.filter(({ pointers }) => takes(pointers, held)).map(({ name }) => name);
  return new RegExp(`\\b(${[...new Set([...names, ...takers])].join("|")})\\b`);
}

function takes(pointers: FunctionPointers | null, records: ReadonlySet<string>): boolean {
  return pointers?.parameters.some(({ record }) => record !== null && records.has(record)) ?? false;
}

/** What a record of the set contains is held as well. */
function withContained(held: ReadonlySet<string>, { records }: Changes): ReadonlySet<string> {
  const all = new Set(held);
  for (const name of all) {
    const { was, is } = records.get(name) ?? { was: null, is: null };
    for (const { shape } of [...(was?.members ?? []), ...(is?.members ?? [])]) {
      const inner = containedRecord(shape);
      if (inner !== null && records.has(inner)) all.add(inner);
    }
  }
  return all;
}

function functionsOf({ world, units }: Side, records: ReadonlySet<string>): readonly Found[] {
  const definitions = new Map<string, { readonly types: ObjectTypes; readonly of: Declared }>();
  const typesOf = new Map(units.map((unit) => [unit, new ObjectTypes(unit, records)]));
  for (const [unit, types] of typesOf) {
    for (const [name, of] of unit.functions) {
      if (!unit.isStatic(name)) definitions.set(name, { types, of });
    }
  }
  const memberShape = (record: string, member: string): ReturnType<typeof elementOf> | null => {
    const shape = world.records.get(record)?.members.find(({ name }) => name === member)?.shape;
    return shape === undefined ? null : elementOf(shape);
  };
  return [...typesOf].flatMap(([unit, types]) => {
    const shared = new Map(headerFunctions(unit).map((one) => [one.declarator.name, one]));
    const pointersOf = (name: string): FunctionPointers | null => {
      const own = unit.functions.get(name) ?? shared.get(name);
      if (own !== undefined) return types.function(own);
      const other = definitions.get(name);
      if (other !== undefined) return other.types.function(other.of);
      const declared = unit.prototypes.get(name);
      return declared === undefined ? null : types.function(declared);
    };
    const around = {
      unit,
      types,
      pointersOf,
      constants: constantsOf(world, unit, records),
      isAggregate: (record: string, member: string): boolean => {
        const shape = memberShape(record, member);
        return shape !== null && (shape.counts.length > 0 || shape.element.kind === "record");
      },
      recordOf: (record: string, member: string): string | null => {
        const shape = memberShape(record, member)?.element;
        return shape?.kind === "record" && records.has(shape.name) ? shape.name : null;
      },
    };
    return [...unit.functions, ...shared].map(([name, declared]): Found => {
      const uses = usesIn(around, name, declared);
      const pointers = types.function(declared);
      const untyped =
        (pointers?.parameters.some((one) => one.untyped && one.depth === 1) ?? false) &&
        types.mentions(declared.item);
      return { unit, name, uses, pointers, untyped, shared: !unit.functions.has(name) };
    });
  });
}

function headerFunctions(unit: Unit): readonly Declared[] {
  const system = /^(\/usr\/|<)/;
  return unit.items.flatMap((item) => {
    const [declarator] = item.declarators;
    const file = unit.tokens[item.first]?.file ?? "";
    if (item.kind !== "function" || declarator === undefined) return [];
    return unit.isOwn(item) || system.test(file) ? [] : [{ item, declarator }];
  });
}

/** Read-only objects of such records that a unit can name. */
function constantsOf(
  { variables }: World,
  unit: Unit,
  records: ReadonlySet<string>,
): ReadonlyMap<string, string> {
  return new Map(
    variables.flatMap(({ name, readOnly, static: isStatic, source, shape }) => {
      const record = containedRecord(shape);
      if (record === null || !readOnly || !records.has(record)) return [];
      return isStatic && source !== unit.name ? [] : [[name, record] as const];
    }),
  );
}

/** Who gets such objects, by the flow of addresses from those who have them. */
function reached(
  found: readonly Found[],
  taken: ReadonlySet<string>,
): (record: string, name: string) => boolean {
  const reachable = new Set<string>();
  const add = (record: string, name: string): void => void reachable.add(`${record} ${name}`);
  for (let count = -1; count !== reachable.size;) {
    count = reachable.size;
    for (const { name, uses } of found) {
      const counts = ({ record, own }: { record: string; own: boolean }): boolean =>
        own || reachable.has(`${record} ${name}`);
      for (const one of uses.hands) if (counts(one)) add(one.record, one.to);
      for (const one of uses.escapes) {
        if (one.how !== "through" || one.to !== null || !counts(one)) continue;
        for (const callee of taken) add(one.record, callee);
      }
    }
  }
  return (record, name) => reachable.has(`${record} ${name}`);
}

function judge(found: readonly Found[], held: ReadonlySet<string>, changes: Changes): HeldObjects {
  const takers = found.filter(({ pointers }) => takes(pointers, held));
  const taken = new Set(takers.filter(isNamedElsewhere).map(({ name }) => name));
  const isReached = reached(found, taken);
  const records = new Set(
    takers.flatMap(({ name, pointers }) =>
      (pointers?.parameters ?? []).flatMap(({ record }) =>
        record !== null && (isReached(record, name) || byValue(pointers, record)) ? [record] : [],
      ),
    ),
  );
  const untyped = found.find((one) => one.untyped)?.name ?? null;
  const isTaken = (record: string): boolean =>
    untyped !== null || takers.some(({ pointers }) => takes(pointers, new Set([record])));
  for (const { pointers } of found) {
    const result = pointers?.result;
    if (result === undefined || result.record === null || result.depth > 0) continue;
    if (held.has(result.record)) records.add(result.record);
  }
  const marks = new Map<string, Mark>();
  const mark = (about: string, text: string): void =>
    void marks.set(`${about} ${text}`, { about, text });
  const needed = new Map<string, Needed>();
  for (const { unit, name, uses, shared } of found) {
    const counts = ({ record, own }: { record: string; own: boolean }): boolean =>
      held.has(record) && (own || isReached(record, name));
    const escapes = uses.escapes.filter(counts);
    for (const escape of escapes) {
      const text = trouble(escape, untyped, isTaken(escape.record));
      if (text !== null) mark(name, text);
    }
    const holds = [...uses.holds].find((record) => records.has(record));
    const passes = uses.hands.find((one) => counts(one) && records.has(one.record));
    if (shared && passes !== undefined) {
      mark(name, `a header defines it, and it gives on a ${passes.record}: ${undecided}`);
    }
    const of = holds ?? passes?.record;
    if (shared || of === undefined) continue;
    const place = { source: unit.name, function: name, static: unit.isStatic(name) };
    needed.set(`${unit.name} ${name}`, {
      ...place,
      reason: { kind: holds === undefined ? "passes" : "holds", of },
    });
  }
  for (const record of records)
    for (const text of troubles(record, held, changes)) mark(record, text);
  return { records, needed: [...needed.values()], marks: [...marks.values()] };
}

function byValue(pointers: FunctionPointers | null, record: string): boolean {
  return pointers?.parameters.some((one) => one.record === record && one.depth === 0) ?? false;
}

/** Whether a function's address is taken, as far as its own unit tells. */
function isNamedElsewhere({ unit, name }: Found): boolean {
  const definition = unit.functions.get(name);
  return unit.tokens.some(({ text }, at) => {
    if (text !== name || unit.tokens[at + 1]?.text === "(") return false;
    return at !== definition?.declarator.at && !/^(\.|->)$/.test(unit.tokens[at - 1]?.text ?? "");
  });
}

const undecided =
  "where an old function that was active before the update comes by it, the object has the old layout";

/** `null`: nobody is misled. `untyped`: a function that takes any address for one of such an object. */
function trouble(
  { record, how, to }: Escape,
  untyped: string | null,
  isTaken: boolean,
): string | null {
  if (how !== "kept" && !isTaken) return null;
  switch (how) {
    case "kept":
      return `it keeps the address of a ${record} that may be on a stack or in read-only data: ${undecided}`;
    case "array":
      return `it may be given several ${record} in a row, from a stack or from read-only data: ${undecided}`;
    case "through":
      // Called by a pointer the function sees its caller as any other does.
      if (to === null && untyped === null) return null;
      return `it gives the address of a ${record} on a stack or in read-only data to ${to ?? `what may be ${untyped}`}, which does not tell its type: ${undecided}`;
  }
}

/** What cannot be translated in such an object. */
function troubles(
  name: string,
  held: ReadonlySet<string>,
  { records }: Changes,
): readonly string[] {
  const record = records.get(name);
  if (record === undefined) return [];
  const { was, is } = record;
  if (was.union || is.union) {
    return [`it is a union, and old functions give such objects from their stacks: ${undecided}`];
  }
  const added = is.members.filter((one) => !was.members.some(({ name: old }) => old === one.name));
  const leading = [...was.members, ...is.members].filter(({ shape }) => {
    const target = pointedRecord(shape);
    return target !== null && held.has(target);
  });
  const names = (members: readonly { readonly name: string }[]): string =>
    [...new Set(members.map((one) => one.name))].join(", ");
  return [
    ...(added.length === 0
      ? []
      : [
          `in objects on the stacks of old functions ${names(added)} is 0 at each call, since they have no room for it: see that this is right`,
        ]),
    ...(leading.length === 0
      ? []
      : [
          `in objects on the stacks of old functions ${names(leading)} may lead to others on stacks or in read-only data, which have no new version`,
        ]),
  ];
}

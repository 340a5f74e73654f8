/** The data items of a patch: which objects have two versions, and where in them other objects lie. */
import type { CarriedRecord, CarriedVariable, Changes } from "./changes.js";
import {
  elementOf,
  pointedRecord,
  sizeOf,
  textOf,
  type RecordShape,
  type Shape,
} from "./shapes.js";
import type { World } from "./world.js";

/** One `data` block: a variable, or all objects of a record that the program allocates. */
export interface Item {
  readonly kind: "global" | "heap";
  /** A C identifier, unique among items. */
  readonly id: string;
  /** As messages name it: `conf`, `serve::calls`, `struct session`. */
  readonly title: string;
  readonly forward: string;
  readonly backward: string;
  readonly old: Shape;
  readonly new: Shape;
  readonly variable: CarriedVariable | null;
  readonly record: CarriedRecord | null;
}

/** Where objects of some type lie within an item; strides are of arrays, outermost first. */
export interface Place {
  readonly item: Item;
  readonly oldOffset: number;
  readonly newOffset: number;
  readonly dimensions: readonly {
    readonly count: number;
    readonly oldStride: number;
    readonly newStride: number;
  }[];
}

/** An identifier out of a type's or variable's name; `struct` and `union` are left out. */
export function identifier(name: string): string {
  return name.replace(/^(struct|union) /, "").replace(/\W+/g, "_");
}

/** Variables first, in the order of their sources. */
export function itemsOf(changes: Changes, allocated: ReadonlySet<string>): readonly Item[] {
  const taken = new Set<string>();
  const unique = (wanted: string): string => {
    let name = wanted;
    for (let number = 2; taken.has(name); number++) name = `${wanted}_${number}`;
    taken.add(name);
    return name;
  };
  const item = (
    kind: Item["kind"],
    wanted: string,
    title: string,
    shapes: Pick<Item, "old" | "new" | "variable" | "record">,
  ): Item => {
    const id = unique(wanted);
    return {
      kind,
      id,
      title,
      forward: `polus_forward_${id}`,
      backward: `polus_backward_${id}`,
      ...shapes,
    };
  };
  const globals = changes.variables.map((variable) => {
    const { name, function: host } = variable.is;
    const title = host === null ? name : `${host}::${name}`;
    const shapes = { old: variable.was.shape, new: variable.is.shape, variable, record: null };
    return item("global", identifier(title), title, shapes);
  });
  const wanted = heapRecords(changes, allocated);
  const heap = [...wanted].map((record) => {
    const shape: Shape = { kind: "record", name: record.name };
    const shapes = { old: shape, new: shape, variable: null, record };
    return item("heap", identifier(record.name), record.name, shapes);
  });
  return [...globals, ...heap];
}

/** Records of which there are two versions and whose members can be told apart. */
export function carriedStructs({ records }: Changes): readonly CarriedRecord[] {
  return [...records.values()].filter(({ was, is }) => !was.union && !is.union);
}

/** Carried records that something carried points to, or that functions allocate. */
function heapRecords(
  { records, variables }: Changes,
  allocated: ReadonlySet<string>,
): readonly CarriedRecord[] {
  const pointed = new Set<string>(allocated);
  const shapes = [
    ...variables.flatMap(({ was, is }) => [was.shape, is.shape]),
    ...[...records.values()].flatMap(({ was, is }) =>
      [...was.members, ...is.members].map(({ shape }) => shape),
    ),
  ];
  for (const shape of shapes) {
    const name = pointedRecord(shape);
    if (name !== null) pointed.add(name);
  }
  return [...records.values()].filter(({ name, is }) => pointed.has(name) && !is.union);
}

/** All places at which objects of the type `target` lie in items. */
export function placesOf(
  target: Shape,
  items: readonly Item[],
  old: World,
  now: World,
): readonly Place[] {
  const text = textOf(target);
  const found: Place[] = [];
  const walk = (place: Place, was: Shape, is: Shape, depth: number): void => {
    if (depth > 16) return;
    if (textOf(was) === text && textOf(is) === text) found.push(place);
    if (was.kind === "array" && is.kind === "array") {
      const strides = [sizeOf(was.element, old.records), sizeOf(is.element, now.records)];
      const count = Math.min(was.count ?? 0, is.count ?? 0);
      const [oldStride, newStride] = strides;
      if (oldStride === null || newStride === null || count === 0) return;
      if (oldStride === undefined || newStride === undefined) return;
      const dimensions = [...place.dimensions, { count, oldStride, newStride }];
      walk({ ...place, dimensions }, was.element, is.element, depth + 1);
    } else if (was.kind === "record" && is.kind === "record" && was.name === is.name) {
      const before = old.records.get(was.name);
      const after = now.records.get(is.name);
      if (before === undefined || after === undefined || after.union) return;
      for (const { older, newer } of commonMembers(before, after)) {
        const inner = {
          ...place,
          oldOffset: place.oldOffset + older.offset,
          newOffset: place.newOffset + newer.offset,
        };
        if (newer.bits === null) walk(inner, older.shape, newer.shape, depth + 1);
      }
    }
  };
  for (const item of items) {
    walk({ item, oldOffset: 0, newOffset: 0, dimensions: [] }, item.old, item.new, 0);
  }
  return found;
}

/** Members that both versions have. */
export function commonMembers(
  was: RecordShape,
  is: RecordShape,
): readonly {
  readonly older: RecordShape["members"][number];
  readonly newer: RecordShape["members"][number];
}[] {
  return is.members.flatMap((newer) => {
    const older = was.members.find((one) => one.name === newer.name);
    return older === undefined || newer.name === "" ? [] : [{ older, newer }];
  });
}

/** Whether a pointer of this type needs translation. */
export function leadsToCarried(shape: Shape, changes: Changes): boolean {
  const { element } = elementOf(shape);
  const name = pointedRecord(element);
  return name !== null && changes.records.has(name);
}

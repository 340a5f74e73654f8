/** Which records and variables hold something else in the new version, by layout or by what they point to. */
import {
  containedRecord,
  elementOf,
  pointedRecord,
  textOf,
  type MemberShape,
  type RecordShape,
  type Shape,
  type VariableShape,
} from "./shapes.js";
import type { World } from "./world.js";

/** A record that both versions define and of which they cannot share an object. */
export interface CarriedRecord {
  readonly name: string;
  readonly was: RecordShape;
  readonly is: RecordShape;
  /**
   * `layout`: its own members differ; `contains`: it holds such a record; `points`: its bytes are laid out
   * alike, but a pointer in it leads to such a record, so that it must hold another value for each version.
   */
  readonly how: "layout" | "contains" | "points";
}

/** A variable that both versions define and of which they cannot share the object. */
export interface CarriedVariable {
  readonly was: VariableShape;
  readonly is: VariableShape;
  readonly how: "layout" | "contains" | "points";
}

export interface Changes {
  readonly records: ReadonlyMap<string, CarriedRecord>;
  /** Writable ones only. */
  readonly variables: readonly CarriedVariable[];
}

export function changesBetween(old: World, now: World): Changes {
  const records = new Map<string, CarriedRecord>();
  const pairs = [...now.records.values()].flatMap((is) => {
    const was = old.records.get(is.name);
    return was === undefined ? [] : [{ was, is }];
  });
  for (const { was, is } of pairs) {
    if (signatureOf(was) !== signatureOf(is))
      records.set(is.name, { name: is.name, was, is, how: "layout" });
  }
  const isCarried = (name: string | null): boolean => name !== null && records.has(name);
  for (let count = -1; count !== records.size;) {
    count = records.size;
    for (const { was, is } of pairs) {
      if (records.has(is.name)) continue;
      const how = is.members.some(({ shape }) => isCarried(containedRecord(shape)))
        ? "contains"
        : is.members.some(({ shape }) => isCarried(pointedRecord(shape)))
          ? "points"
          : null;
      if (how !== null) records.set(is.name, { name: is.name, was, is, how });
    }
  }
  const variables = now.variables.flatMap((is): readonly CarriedVariable[] => {
    const was = old.variables.find(
      (one) => one.name === is.name && one.function === is.function && one.source === is.source,
    );
    if (was === undefined || was.readOnly) return [];
    const how =
      was.size !== is.size || textOf(was.shape) !== textOf(is.shape)
        ? "layout"
        : isCarried(containedRecord(is.shape))
          ? "contains"
          : isCarried(pointedRecord(is.shape))
            ? "points"
            : null;
    return how === null ? [] : [{ was, is, how }];
  });
  return { records, variables };
}

function signatureOf(record: RecordShape): string {
  const member = ({ name, offset, bits, shape }: MemberShape): string =>
    `${name} ${offset} ${bits === null ? "" : `${bits.first}:${bits.count}`} ${textOf(shape)} ${scalarOf(shape)}`;
  return `${record.union} ${record.size} ${record.members.map(member).join("; ")}`;
}

/** Of a number, what its type's name may hide. */
function scalarOf(shape: Shape): string {
  const { element } = elementOf(shape);
  return element.kind === "integer" || element.kind === "enum"
    ? `${element.size}${element.signed}`
    : "";
}

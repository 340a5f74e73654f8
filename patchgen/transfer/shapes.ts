/** Types as state transfer needs them: plain data, structs and unions by name, so that they may be cyclic. */

export type Shape =
  | {
      readonly kind: "integer" | "enum";
      /** As C spells it; of an enum `enum TAG`. */
      readonly name: string;
      readonly size: number;
      readonly signed: boolean;
      readonly boolean: boolean;
    }
  | { readonly kind: "float"; readonly name: string; readonly size: number }
  | { readonly kind: "pointer"; readonly target: Shape }
  | { readonly kind: "array"; readonly count: number | null; readonly element: Shape }
  | { readonly kind: "record"; readonly name: string }
  /** Known by its address, so that there cannot be two of it: `what` is `a mutex`. */
  | { readonly kind: "identity"; readonly what: string; readonly size: number }
  /** Functions, void, and what is declared only. */
  | { readonly kind: "opaque"; readonly text: string; readonly size: number | null };

export interface MemberShape {
  readonly name: string;
  /** Bytes; of a bit-field: of the byte that holds its first bit. */
  readonly offset: number;
  readonly bits: { readonly first: number; readonly count: number } | null;
  readonly shape: Shape;
}

/** A struct or union that is defined. Members of anonymous members count as its own, as in C. */
export interface RecordShape {
  /** `struct kex`, `union u`, or a typedef's name for an anonymous one. */
  readonly name: string;
  readonly union: boolean;
  readonly size: number;
  readonly members: readonly MemberShape[];
  /** It has an anonymous union: the members overlap. */
  readonly overlapping: boolean;
}

export interface VariableShape {
  readonly name: string;
  /** The function whose static local it is. */
  readonly function: string | null;
  readonly static: boolean;
  readonly source: string;
  /** In the symbol table. */
  readonly symbol: string;
  readonly size: number;
  readonly readOnly: boolean;
  readonly shape: Shape;
}

export type Records = ReadonlyMap<string, RecordShape>;

/** Bytes; `null`: it cannot be told. */
export function sizeOf(shape: Shape, records: Records): number | null {
  switch (shape.kind) {
    case "pointer":
      return 8;
    case "array": {
      const element = sizeOf(shape.element, records);
      return element === null || shape.count === null ? null : element * shape.count;
    }
    case "record":
      return records.get(shape.name)?.size ?? null;
    default:
      return shape.size;
  }
}

/** The type as text; equal texts are the same type, but for what records of that name contain. */
export function textOf(shape: Shape): string {
  switch (shape.kind) {
    case "integer":
    case "enum":
    case "float":
    case "record":
      return shape.name;
    case "pointer":
      return `${textOf(shape.target)} *`;
    case "array":
      return `${textOf(shape.element)} [${shape.count ?? ""}]`;
    case "identity":
      return shape.what;
    case "opaque":
      return shape.text;
  }
}

/** The element of an array of any number of dimensions, and these; of anything else itself. */
export function elementOf(shape: Shape): {
  readonly element: Shape;
  readonly counts: readonly (number | null)[];
} {
  const counts: (number | null)[] = [];
  let element = shape;
  while (element.kind === "array") {
    counts.push(element.count);
    element = element.element;
  }
  return { element, counts };
}

/** The record that a pointer leads to, through any number of pointers and arrays; `null` for others. */
export function pointedRecord(shape: Shape): string | null {
  const { element } = elementOf(shape);
  if (element.kind !== "pointer") return null;
  for (let target = element.target; ;) {
    if (target.kind === "record") return target.name;
    if (target.kind !== "pointer" && target.kind !== "array") return null;
    target = target.kind === "pointer" ? target.target : target.element;
  }
}

/** The record that an object of this type consists of, or an array of them. */
export function containedRecord(shape: Shape): string | null {
  const { element } = elementOf(shape);
  return element.kind === "record" ? element.name : null;
}

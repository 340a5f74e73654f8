/** Statements in C that carry an object over to the other version, member by member. */
import type { Changes } from "./changes.js";
import { commonMembers, identifier, leadsToCarried } from "./items.js";
import { isDoublePointer } from "./pointer_tables.js";
import {
  sizeOf,
  textOf,
  type MemberShape,
  type RecordShape,
  type Records,
  type Shape,
} from "./shapes.js";

export type Direction = "forward" | "backward";

/** What a person must decide. */
export interface Mark {
  /** `struct session: member state`, or a variable. */
  readonly about: string;
  readonly text: string;
}

export class CopyText {
  readonly marks: Mark[] = [];
  /** Types that translated pointers lead to, by text. */
  readonly pointed = new Map<string, Shape>();

  constructor(
    private readonly direction: Direction,
    private readonly from: Records,
    private readonly changes: Changes,
    /** Records whose allocated objects begin with whatever the memory held. */
    private readonly uncleared: ReadonlySet<string>,
    /** Pointers to pointers that lead to allocated tables, by the names of members and variables. */
    private readonly tables: ReadonlySet<string>,
  ) {}

  /** Name of the function that finds the other copy of what a pointer of the program leads to. */
  translation(target: Shape): string {
    const text = textOf(target);
    this.pointed.set(text, target);
    const name = identifier(text.replaceAll(" *", "_pointer"));
    return `${name}_in_${this.direction === "forward" ? "new" : "old"}`;
  }

  /** Name of the function that carries a record over. */
  recordFunction(name: string): string {
    return `carry_${identifier(name)}_${this.direction}`;
  }

  /** The members of a record; `source` and `target` are pointers. */
  record(was: RecordShape, is: RecordShape): readonly string[] {
    const lines: string[] = [];
    if (was.union || is.union || was.overlapping || is.overlapping) {
      return [
        this.mark(was.name, "which member of the union holds a value is not told by its type"),
      ];
    }
    const [source, target] = this.direction === "forward" ? [was, is] : [is, was];
    for (const { older, newer } of commonMembers(was, is)) {
      const [one, other] = this.direction === "forward" ? [older, newer] : [newer, older];
      lines.push(
        ...this.copy(
          `from->${one.name}`,
          `to->${other.name}`,
          one,
          other,
          `${is.name}, ${one.name}`,
        ),
      );
    }
    const missing = target.members.filter(
      (one) => !source.members.some((other) => other.name === one.name),
    );
    for (const { name } of missing) {
      const isUnknown = this.direction === "forward" && this.uncleared.has(is.name);
      lines.push(
        isUnknown
          ? this.mark(
              `${is.name}, ${name}`,
              "objects that the old version made have no value for it; it is 0 until somebody sets it: see that this is right",
            )
          : `/* ${name}: only this version has it; it keeps its value. */`,
      );
    }
    return lines;
  }

  mark(about: string, text: string): string {
    this.marks.push({ about, text });
    return `/* MANUAL: ${about}: ${text}. */`;
  }

  /** One object of any type. */
  copy(
    from: string,
    to: string,
    one: Pick<MemberShape, "shape" | "bits">,
    other: Pick<MemberShape, "shape" | "bits">,
    about: string,
    depth = 0,
  ): readonly string[] {
    const a = one.shape;
    const b = other.shape;
    if (a.kind === "array" && b.kind === "array") return this.array(from, to, a, b, about, depth);
    if (isNumber(a) && isNumber(b)) return [this.number(from, to, a, b, one.bits, other.bits)];
    if (a.kind === "float" && b.kind === "float") return [`${to} = ${from};`];
    if (a.kind === "pointer" && b.kind === "pointer") {
      if (textOf(a) !== textOf(b) && !(isPlainMemory(a.target) && isPlainMemory(b.target))) {
        return [this.mark(about, retyped(a, b))];
      }
      if (!leadsToCarried(a, this.changes)) return [`${to} = ${from};`];
      if (isDoublePointer(a) && this.tables.has(about.split(/, |::/).at(-1) ?? "")) {
        return [
          this.mark(
            about,
            "it leads to a table of pointers that is allocated: make and fill the other version's here, as long as this one",
          ),
        ];
      }
      return [`${to} = ${this.translation(a.target)}(${from});`];
    }
    if (a.kind === "record" && b.kind === "record" && a.name === b.name) {
      const carried = this.changes.records.get(a.name);
      if (carried === undefined) return [`__builtin_memcpy(${to}, ${from}, sizeof ${to});`];
      if (carried.is.union || carried.was.union) {
        return [
          this.mark(about, "which member of the union holds a value is not told by its type"),
        ];
      }
      return [`${this.recordFunction(a.name)}(&${from}, &${to});`];
    }
    if (a.kind === "identity" && b.kind === "identity") {
      return [
        this.mark(about, `there cannot be two copies of ${a.what}: keep it out of what changes`),
      ];
    }
    return [this.mark(about, retyped(a, b))];
  }

  private array(
    from: string,
    to: string,
    a: Extract<Shape, { kind: "array" }>,
    b: Extract<Shape, { kind: "array" }>,
    about: string,
    depth: number,
  ): readonly string[] {
    if (a.count === null || b.count === null) {
      return [this.mark(about, "how many elements there are is not told by its type")];
    }
    const count = Math.min(a.count, b.count);
    const isPlain = textOf(a.element) === textOf(b.element) && !this.isTranslated(a.element);
    if (isPlain) {
      const size = sizeOf(a.element, this.from) ?? 0;
      return [`__builtin_memcpy(${to}, ${from}, ${count * size});`];
    }
    const index = `i${depth === 0 ? "" : depth}`;
    const inner = this.copy(
      `${from}[${index}]`,
      `${to}[${index}]`,
      { shape: a.element, bits: null },
      { shape: b.element, bits: null },
      about,
      depth + 1,
    );
    return [`for (int ${index} = 0; ${index} < ${count}; ${index}++) {`, ...inner, "}"];
  }

  private isTranslated(shape: Shape): boolean {
    if (shape.kind === "array") return this.isTranslated(shape.element);
    if (shape.kind === "record") return this.changes.records.has(shape.name);
    if (shape.kind === "identity") return true;
    return leadsToCarried(shape, this.changes);
  }

  /** A value that the other type cannot hold becomes the nearest one that it can. */
  private number(
    from: string,
    to: string,
    a: NumberShape,
    b: NumberShape,
    bitsA: MemberShape["bits"],
    bitsB: MemberShape["bits"],
  ): string {
    const one = rangeOf(a, bitsA);
    const other = rangeOf(b, bitsB);
    // Between types of one size the bits are kept: flags and hashes are what changes sign most.
    if (b.boolean || one.bits === other.bits) return `${to} = ${from};`;
    const low = other.low > one.low ? other.low : null;
    const high = other.high < one.high ? other.high : null;
    if (low === null && high === null) return `${to} = ${from};`;
    const above = high === null ? from : `${from} > ${literal(high)} ? ${literal(high)} : ${from}`;
    const value = low === null ? above : `${from} < ${literal(low)} ? ${literal(low)} : ${above}`;
    return `${to} = ${value};`;
  }
}

type NumberShape = Extract<Shape, { kind: "integer" | "enum" }>;

function isNumber(shape: Shape): shape is NumberShape {
  return shape.kind === "integer" || shape.kind === "enum";
}

/** What `void *` and `char *` lead to: memory whose layout the type does not tell. */
function isPlainMemory(shape: Shape): boolean {
  if (shape.kind === "opaque") return shape.text === "void";
  return shape.kind === "integer" && shape.size === 1;
}

function rangeOf(
  shape: NumberShape,
  bitField: MemberShape["bits"],
): { readonly low: bigint; readonly high: bigint; readonly bits: number } {
  const bits = bitField?.count ?? shape.size * 8;
  const width = BigInt(bits);
  return shape.signed
    ? { low: -(1n << (width - 1n)), high: (1n << (width - 1n)) - 1n, bits }
    : { low: 0n, high: (1n << width) - 1n, bits };
}

function literal(value: bigint): string {
  if (value === -(1n << 63n)) return "(-9223372036854775807LL - 1)";
  const suffix = value >= 1n << 63n ? "ULL" : "LL";
  return `${value}${suffix}`;
}

function retyped(a: Shape, b: Shape): string {
  return `from ${textOf(a)} to ${textOf(b)} there is no rule`;
}

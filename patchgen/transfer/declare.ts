/** Declarations in C of both versions' types, from debug information alone. */
import type { Changes } from "./changes.js";
import { identifier } from "./items.js";
import {
  containedRecord,
  sizeOf,
  type MemberShape,
  type RecordShape,
  type Records,
  type Shape,
} from "./shapes.js";

export type Side = "old" | "new";

/** Declares types of one version; only carried records have members, others are their bytes. */
export class TypeText {
  constructor(
    readonly side: Side,
    private readonly records: Records,
    private readonly changes: Changes,
  ) {}

  private isDeclared(name: string): boolean {
    return this.changes.records.has(name) && this.records.get(name)?.union === false;
  }

  /** `declarator` with its type: `declare(shape, "*from")`. */
  declare(shape: Shape, declarator: string): string {
    switch (shape.kind) {
      case "integer":
      case "float":
        return `${shape.name} ${declarator}`;
      case "enum":
        return `${enumType(shape.size, shape.signed)} ${declarator}`;
      case "pointer": {
        const { target } = shape;
        const isKnown = target.kind === "record" && this.isDeclared(target.name);
        const to = isKnown ? this.tag(target.name) : "void";
        return `${to} *${declarator}`;
      }
      case "array": {
        const inner = declarator.startsWith("*") ? `(${declarator})` : declarator;
        return this.declare(shape.element, `${inner}[${shape.count ?? 0}]`);
      }
      case "record":
        if (this.isDeclared(shape.name)) return `${this.tag(shape.name)} ${declarator}`;
        return this.bytes(shape, declarator);
      case "identity":
      case "opaque":
        return this.bytes(shape, declarator);
    }
  }

  private bytes(shape: Shape, declarator: string): string {
    const inner = declarator.startsWith("*") ? `(${declarator})` : declarator;
    return `unsigned char ${inner}[${sizeOf(shape, this.records) ?? 0}]`;
  }

  tag(name: string): string {
    return `struct ${this.side}_${identifier(name)}`;
  }

  /** Definitions of all carried records, contained ones first. */
  definitions(): readonly string[] {
    const done = new Set<string>();
    const texts: string[] = [];
    const define = (record: RecordShape): void => {
      if (done.has(record.name) || !this.isDeclared(record.name)) return;
      done.add(record.name);
      for (const { shape } of record.members) {
        const inner = this.records.get(containedRecord(shape) ?? "");
        if (inner !== undefined) define(inner);
      }
      texts.push(this.definition(record));
    };
    for (const name of this.changes.records.keys()) {
      const record = this.records.get(name);
      if (record !== undefined) define(record);
    }
    return texts;
  }

  private definition(record: RecordShape): string {
    const lines: string[] = [];
    /** In bits. */
    let at = 0;
    let gaps = 0;
    for (const member of record.members.toSorted((a, b) => startOf(a) - startOf(b))) {
      const start = startOf(member);
      // What overlaps is never copied by name.
      if (start < at) continue;
      if (member.bits === null && at % 8 !== 0) at += 8 - (at % 8);
      if (member.bits !== null) {
        for (let bits = start - at; bits > 0; bits -= 32) {
          lines.push(`  unsigned : ${Math.min(bits, 32)};`);
        }
        lines.push(`  ${this.declare(member.shape, member.name)} : ${member.bits.count};`);
        at = start + member.bits.count;
        continue;
      }
      if (start > at) lines.push(`  char polus_gap${gaps++}[${(start - at) / 8}];`);
      lines.push(`  ${this.declare(member.shape, member.name)};`);
      at = start + (sizeOf(member.shape, this.records) ?? 0) * 8;
    }
    const rest = record.size - Math.ceil(at / 8);
    if (rest > 0) lines.push(`  char polus_gap${gaps}[${rest}];`);
    const tag = this.tag(record.name);
    return [
      `/* ${record.name} of the ${this.side} version. */`,
      `${tag} {`,
      ...lines,
      "} __attribute__((packed));",
      `_Static_assert(sizeof(${tag}) == ${record.size}, "as the program has it");`,
      "",
    ].join("\n");
  }
}

function startOf({ offset, bits }: MemberShape): number {
  return offset * 8 + (bits?.first ?? 0);
}

function enumType(size: number, signed: boolean): string {
  const name = { 1: "char", 2: "short", 4: "int", 8: "long" }[size] ?? "int";
  return `${signed ? "signed" : "unsigned"} ${name}`;
}

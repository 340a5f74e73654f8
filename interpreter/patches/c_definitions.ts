/** Types of a program as definitions in C: for people, and for C that is typed in. */
import type { CType, EnumType, Member, StructType } from "../../native/engine.js";
import { declarationText, plain, sizeOf } from "../values/c_types.js";

/**
 * The definition of a struct, union, enum or typedef, with its closing semicolon; anonymous
 * members are written out where they stand.
 * @param offsets whether each member's offset stands beside it, for people
 */
export function definitionText(type: CType, offsets: boolean): string {
  switch (type.kind) {
    case "struct":
    case "enum":
      return `${bodyOf(type, "", offsets)};`;
    case "typedef":
      return `typedef ${memberText(type.type, type.name, "", offsets)};`;
    default:
      return `${declarationText(type, "")};`;
  }
}

/** A declaration whose type is written out where it has no name of its own. */
export function declarationWithBody(type: CType, name: string): string {
  return memberText(type, name, "", false);
}

function memberText(type: CType, name: string, indent: string, offsets: boolean): string {
  const unnamed = unnamedIn(type);
  // C's own spelling; DWARF has `complex double`.
  if (unnamed === null) return declarationText(type, name).replace(/\bcomplex (?=\w)/, "_Complex ");
  const placeholder = unnamed.kind === "enum" ? "enum {…}" : unionWord(unnamed) + " {…}";
  return declarationText(type, name).replace(placeholder, () => bodyOf(unnamed, indent, offsets));
}

function unionWord({ union }: StructType): string {
  return union ? "union" : "struct";
}

/** The struct, union or enum without a tag that a declaration is made of. */
function unnamedIn(type: CType): StructType | EnumType | null {
  let at = type;
  for (let depth = 0; depth < 32; depth++) {
    if (at.kind === "pointer") at = at.target;
    else if (at.kind === "array") at = at.element;
    else if (at.kind === "qualified") at = at.type;
    else break;
  }
  return (at.kind === "struct" || at.kind === "enum") && at.tag === null ? at : null;
}

function bodyOf(type: StructType | EnumType, indent: string, offsets: boolean): string {
  const tag = type.tag === null ? "" : ` ${type.tag}`;
  if (type.kind === "enum") {
    if (type.size === null) return `enum${tag}`;
    const packed = type.size < 4 ? " __attribute__((packed))" : "";
    const names = type.enumerators.map(({ name, value }) => `${name} = ${value}`);
    return `enum${packed}${tag} { ${names.join(", ")} }`;
  }
  const word = `${unionWord(type)}${tag}`;
  if (type.size === null) return word;
  const inner = `${indent}  `;
  const lines = type.members.map((member, index) => {
    const bits = member.bits === null ? "" : ` : ${member.bits.count}`;
    const text = memberText(member.type, member.name ?? "", inner, offsets);
    const place = offsets ? `  /* ${member.offset} */` : "";
    const padding = offsets || type.union ? "" : paddingBefore(type.members, index);
    return `${padding === "" ? "" : `${inner}${padding}\n`}${inner}${text}${bits};${place}\n`;
  });
  return `${word} {\n${lines.join("")}${indent}}${attributes(type)}`;
}

/** What stands before a member that the compiler would put elsewhere: attributes and unnamed bit-fields leave gaps. */
function paddingBefore(members: readonly Member[], index: number): string {
  const member = members[index];
  const before = members[index - 1];
  if (member === undefined) return "";
  if (member.bits !== null) {
    const end = before === undefined ? 0 : bitEnd(before);
    const start = member.offset * 8 + member.bits.first;
    const unit = (sizeOf(member.type) ?? 1) * 8;
    // The ABI puts it into the unit where the last one ended, unless it does not fit there.
    const fits = Math.floor(end / unit) === Math.floor((end + member.bits.count - 1) / unit);
    const natural = fits ? end : Math.ceil(end / unit) * unit;
    if (start <= natural) return "";
    const same = Math.floor(end / unit) === Math.floor(start / unit);
    if (same) return `${declarationText(member.type, "")} : ${start - end};`;
    const rest = start % unit;
    const first = `${declarationText(member.type, "")} : 0;`;
    return rest === 0 ? first : `${first} ${declarationText(member.type, "")} : ${rest};`;
  }
  const end = before === undefined ? 0 : memberEnd(before);
  const alignment = alignmentOf(member.type);
  const natural = Math.ceil(end / alignment) * alignment;
  return member.offset > natural ? `char polus_gap_${member.offset}[${member.offset - end}];` : "";
}

function bitEnd(member: Member): number {
  if (member.bits === null) return memberEnd(member) * 8;
  return member.offset * 8 + member.bits.first + member.bits.count;
}

/** What makes the compiler lay the members out where they are. */
function attributes(type: StructType): string {
  const natural = alignmentOf(type);
  const misplaced = type.members.some(
    ({ offset, bits, type: own }) => bits === null && offset % alignmentOf(own) !== 0,
  );
  const size = type.size ?? 0;
  const end = endOf(type);
  if (misplaced || (natural > 1 && size % natural !== 0)) return " __attribute__((packed))";
  for (let alignment = natural; alignment <= 4096; alignment *= 2) {
    if (Math.ceil(end / alignment) * alignment !== size) continue;
    return alignment === natural ? "" : ` __attribute__((aligned(${alignment})))`;
  }
  return "";
}

function endOf(type: StructType): number {
  return Math.max(0, ...type.members.map(memberEnd));
}

function memberEnd({ offset, bits, type }: Member): number {
  return offset + (bits === null ? (sizeOf(type) ?? 0) : Math.ceil((bits.first + bits.count) / 8));
}

/** As the ABI wants it, bytes. */
function alignmentOf(type: CType, depth = 0): number {
  const own = plain(type);
  if (depth > 32) return 1;
  if (own.kind === "array") return alignmentOf(own.element, depth + 1);
  if (own.kind === "struct") {
    return Math.max(1, ...own.members.map((member) => alignmentOf(member.type, depth + 1)));
  }
  if (own.kind === "float" && own.complex) return Math.min(16, Math.max(1, own.size / 2));
  return Math.min(16, Math.max(1, sizeOf(own) ?? 1));
}

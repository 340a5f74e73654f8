/** C types as expressions handle them: names, sizes, what is a scalar, which member is meant. */
import type { CType, FunctionType, Member, StructType } from "../../native/engine.js";

export const intType: CType = integer("int", 4, true);
export const unsignedLongType: CType = integer("unsigned long", 8, false);
export const longType: CType = integer("long", 8, true);
export const doubleType: CType = { kind: "float", name: "double", size: 8, complex: false };
export const boolType: CType = {
  kind: "integer",
  name: "_Bool",
  size: 1,
  signed: false,
  encoding: "boolean",
};
export const voidPointer: CType = { kind: "pointer", target: { kind: "void" } };

export function integer(name: string, size: number, signed: boolean): CType {
  return { kind: "integer", name, size, signed, encoding: "integer" };
}

/** Without typedefs and qualifiers. */
export function plain(type: CType): Exclude<CType, { kind: "typedef" | "qualified" }> {
  let at = type;
  // A damaged typedef may stand for itself.
  for (let depth = 0; depth < 256; depth++) {
    if (at.kind !== "typedef" && at.kind !== "qualified") return at;
    at = at.type;
  }
  return { kind: "void" };
}

/** Bytes; `null` for what has no size (incomplete types, functions, `void`). */
export function sizeOf(type: CType, depth = 0): number | null {
  const own = plain(type);
  switch (own.kind) {
    case "void":
    case "function":
      return null;
    case "pointer":
      return 8;
    case "array": {
      const element = depth < 64 ? sizeOf(own.element, depth + 1) : null;
      return element === null || own.count === null ? null : element * own.count;
    }
    default:
      return own.size;
  }
}

export function isPointerLike(type: CType): boolean {
  const own = plain(type);
  return own.kind === "pointer" || own.kind === "array" || own.kind === "function";
}

/** `char` of any sign: its arrays and pointers are text. */
export function isCharacter(type: CType): boolean {
  const own = plain(type);
  return own.kind === "integer" && own.encoding === "character" && own.size === 1;
}

/** What pointers and arrays lead to; `null` for other types. */
export function targetOf(type: CType): CType | null {
  const own = plain(type);
  if (own.kind === "pointer") return own.target;
  return own.kind === "array" ? own.element : null;
}

/** A member by name, those of anonymous members included, with its offset from the struct's beginning. */
export function findMember(
  struct: StructType,
  name: string,
  depth = 0,
): (Pick<Member, "type" | "bits"> & { readonly offset: number }) | null {
  for (const member of struct.members) {
    if (member.name === name) return member;
    const inside = member.name === null && depth < 16 ? plain(member.type) : null;
    if (inside?.kind !== "struct") continue;
    const found = findMember(inside, name, depth + 1);
    if (found !== null)
      return { type: found.type, bits: found.bits, offset: member.offset + found.offset };
  }
  return null;
}

export function memberNames(struct: StructType, depth = 0): readonly string[] {
  return struct.members.flatMap((member) => {
    if (member.name !== null) return [member.name];
    const inside = depth < 16 ? plain(member.type) : null;
    return inside?.kind === "struct" ? memberNames(inside, depth + 1) : [];
  });
}

/** As C writes it: `const char *`, `int (*)(int, char)`, `struct point [3]`. */
export function typeText(type: CType): string {
  return declared(type, "", 0);
}

/** A declaration of `name` with that type. */
export function declarationText(type: CType, name: string): string {
  return declared(type, name, 0);
}

function declared(type: CType, inner: string, depth: number): string {
  if (depth > 32) return "…";
  const after = (base: string): string => (inner === "" ? base : `${base} ${inner}`);
  switch (type.kind) {
    case "void":
      return after("void");
    case "integer":
    case "float":
      return after(type.name);
    case "struct":
      return after(`${type.union ? "union" : "struct"} ${type.tag ?? "{…}"}`);
    case "enum":
      return after(`enum ${type.tag ?? "{…}"}`);
    case "typedef":
      return after(type.name);
    case "qualified": {
      const words = type.qualifiers.join(" ");
      const target = type.type;
      if (target.kind === "pointer")
        return declared(target, inner === "" ? words : `${words} ${inner}`, depth + 1);
      return `${words} ${declared(target, inner, depth + 1)}`;
    }
    case "pointer": {
      const { target } = type;
      const groups = target.kind === "array" || target.kind === "function";
      const spaced =
        /^[a-z_]/i.test(inner) && inner.startsWith("const") ? `* ${inner}` : `*${inner}`;
      return declared(target, groups ? `(${spaced})` : spaced, depth + 1);
    }
    case "array": {
      const count = type.count === null ? "" : String(type.count);
      const space = inner === "" || inner.endsWith("]") ? inner : inner;
      return declared(type.element, `${space}[${count}]`, depth + 1);
    }
    case "function":
      return declared(type.result, `${inner}(${parametersText(type, depth)})`, depth + 1);
  }
}

function parametersText(type: FunctionType, depth: number): string {
  const parameters = type.parameters.map((parameter) => declared(parameter.type, "", depth + 1));
  if (type.variadic) parameters.push("...");
  if (parameters.length === 0) return type.prototyped ? "void" : "";
  return parameters.join(", ");
}

/** Same type for assignment of structs: the same tag or typedef, and the same size. */
export function isSameStruct(left: CType, right: CType): boolean {
  const [a, b] = [plain(left), plain(right)];
  if (a === b) return true;
  return (
    a.kind === "struct" &&
    b.kind === "struct" &&
    a.size === b.size &&
    a.union === b.union &&
    a.tag !== null &&
    a.tag === b.tag
  );
}

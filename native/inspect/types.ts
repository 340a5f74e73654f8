/** C types over the addon's numbered ones: read when they are looked at, each once. */
import { addon, type DebugType, type ModuleHandle } from "../addon/addon.js";
import type {
  ArrayType,
  CType,
  Enumerator,
  EnumType,
  FunctionType,
  Member,
  PointerType,
  QualifiedType,
  StructType,
  TypedefType,
} from "../ctypes.js";

export const voidType: CType = { kind: "void" };

const integer = (
  name: string,
  size: number,
  signed: boolean,
  encoding: "integer" | "character" | "boolean" = "integer",
): CType => ({ kind: "integer", name, size, signed, encoding });

const float = (name: string, size: number): CType => ({
  kind: "float",
  name,
  size,
  complex: false,
});

/** C's own types as the System V ABI for x86-64 has them: they need no debug information. */
const basicTypes: ReadonlyMap<string, CType> = new Map(
  [
    voidType,
    integer("_Bool", 1, false, "boolean"),
    integer("char", 1, true, "character"),
    integer("signed char", 1, true, "character"),
    integer("unsigned char", 1, false, "character"),
    integer("short", 2, true),
    integer("unsigned short", 2, false),
    integer("int", 4, true),
    integer("unsigned int", 4, false),
    integer("long", 8, true),
    integer("unsigned long", 8, false),
    integer("long long", 8, true),
    integer("unsigned long long", 8, false),
    integer("__int128", 16, true),
    integer("unsigned __int128", 16, false),
    float("float", 4),
    float("double", 8),
    float("long double", 16),
  ].map((type) => [type.kind === "integer" || type.kind === "float" ? type.name : "void", type]),
);

/** One of C's own types by its usual name; `null` if there is none of that name. */
export function basicType(name: string): CType | null {
  return basicTypes.get(name) ?? null;
}

/** `long unsigned int`, as gcc writes it, becomes `unsigned long`. */
export function usualName(name: string): string {
  const words = name.split(" ");
  const long = words.filter((word) => word === "long" || word === "short");
  const rest = words.filter((word) => word !== "unsigned" && word !== "long" && word !== "short");
  const plain = long.length > 0 ? rest.filter((word) => word !== "int" && word !== "signed") : rest;
  return [...(words.includes("unsigned") ? ["unsigned"] : []), ...long, ...plain].join(" ");
}

/** Finds a complete struct, union or enum for one that a module only declares. */
export type Completion = (kind: "struct" | "union" | "enum", tag: string) => CType | null;

/** The types of one module. A number always gives the same object. */
export class ModuleTypes {
  private readonly known = new Map<number, CType>();

  constructor(
    private readonly module: ModuleHandle,
    private readonly completion: Completion,
  ) {}

  type(number: number): CType {
    const known = this.known.get(number);
    if (known !== undefined) return known;
    const made = this.make(addon.debugType(this.module, number));
    this.known.set(number, made);
    return made;
  }

  private make(raw: DebugType): CType {
    const name = raw.name ?? "";
    switch (raw.kind) {
      case "void":
        return voidType;
      case "base":
        return baseType(raw);
      case "pointer":
        return new LazyPointer(this, raw.target);
      case "array":
        return this.array(raw, 0);
      case "struct":
      case "union":
        return (
          this.completed(raw, raw.kind) ??
          new LazyStruct(this, raw, raw.kind === "union", raw.declaration ? null : raw.size)
        );
      case "enum":
        return this.completed(raw, "enum") ?? enumType(raw);
      case "typedef":
        return new LazyTypedef(this, name, raw.target);
      case "qualified":
        return new LazyQualified(this, raw.qualifier === "" ? [] : [raw.qualifier], raw.target);
      case "function":
        return new LazyFunction(this, raw);
    }
  }

  private completed(raw: DebugType, kind: "struct" | "union" | "enum"): CType | null {
    return raw.declaration && raw.name !== null ? this.completion(kind, raw.name) : null;
  }

  private array(raw: DebugType, dimension: number): CType {
    const count = raw.counts[dimension] ?? null;
    return dimension + 1 < raw.counts.length
      ? { kind: "array", element: this.array(raw, dimension + 1), count }
      : new LazyArray(this, raw.target, count);
  }
}

function baseType(raw: DebugType): CType {
  const name = usualName(raw.name ?? "");
  const size = raw.size ?? 0;
  switch (raw.encoding) {
    case "float":
    case "complex":
      return { kind: "float", name, size, complex: raw.encoding === "complex" };
    default:
      return integer(name, size, raw.signed, raw.encoding);
  }
}

function enumType(raw: DebugType): EnumType {
  const bits = (raw.size ?? 4) * 8;
  const enumerators: readonly Enumerator[] = raw.enumerators.map(({ name, value }) => ({
    name,
    value: raw.signed ? BigInt.asIntN(bits, value) : BigInt.asUintN(bits, value),
  }));
  return {
    kind: "enum",
    tag: raw.name,
    size: raw.declaration ? null : raw.size,
    signed: raw.signed,
    enumerators,
  };
}

class LazyPointer implements PointerType {
  readonly kind = "pointer";
  constructor(
    private readonly types: ModuleTypes,
    private readonly number: number,
  ) {}
  get target(): CType {
    return this.types.type(this.number);
  }
}

class LazyArray implements ArrayType {
  readonly kind = "array";
  constructor(
    private readonly types: ModuleTypes,
    private readonly number: number,
    readonly count: number | null,
  ) {}
  get element(): CType {
    return this.types.type(this.number);
  }
}

class LazyTypedef implements TypedefType {
  readonly kind = "typedef";
  constructor(
    private readonly types: ModuleTypes,
    readonly name: string,
    private readonly number: number,
  ) {}
  get type(): CType {
    return this.types.type(this.number);
  }
}

class LazyQualified implements QualifiedType {
  readonly kind = "qualified";
  constructor(
    private readonly types: ModuleTypes,
    readonly qualifiers: QualifiedType["qualifiers"],
    private readonly number: number,
  ) {}
  get type(): CType {
    return this.types.type(this.number);
  }
}

class LazyStruct implements StructType {
  readonly kind = "struct";
  readonly tag: string | null;
  readonly members: readonly Member[];
  constructor(
    types: ModuleTypes,
    raw: DebugType,
    readonly union: boolean,
    readonly size: number | null,
  ) {
    this.tag = raw.name;
    this.members = raw.members.map((member) => new LazyMember(types, member));
  }
}

class LazyMember implements Member {
  readonly name: string | null;
  readonly offset: number;
  readonly bits: Member["bits"];
  constructor(
    private readonly types: ModuleTypes,
    private readonly raw: DebugType["members"][number],
  ) {
    this.name = raw.name;
    this.offset = raw.offset;
    this.bits = raw.bits === 0 ? null : { first: raw.firstBit, count: raw.bits };
  }
  get type(): CType {
    return this.types.type(this.raw.type);
  }
}

class LazyFunction implements FunctionType {
  readonly kind = "function";
  readonly variadic: boolean;
  readonly prototyped: boolean;
  readonly parameters: FunctionType["parameters"];
  constructor(
    private readonly types: ModuleTypes,
    private readonly raw: DebugType,
  ) {
    this.variadic = raw.variadic;
    this.prototyped = raw.prototyped;
    this.parameters = raw.members.map((member) => new LazyMember(types, member));
  }
  get result(): CType {
    return this.types.type(this.raw.target);
  }
}

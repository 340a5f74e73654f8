/**
 * C types as a program's debug information tells them. Plain data; what leads to
 * another type is a getter in the native implementation (types are read lazily and
 * may be cyclic), so never enumerate a type's own keys: switch on `kind`.
 */

export type CType =
  | VoidType
  | IntegerType
  | FloatType
  | PointerType
  | ArrayType
  | StructType
  | EnumType
  | TypedefType
  | QualifiedType
  | FunctionType;

export interface VoidType {
  readonly kind: "void";
}

export interface IntegerType {
  readonly kind: "integer";
  /** As C spells it: `unsigned long`, `char`, `_Bool`. */
  readonly name: string;
  /** Bytes: 1, 2, 4, 8 or 16. */
  readonly size: number;
  readonly signed: boolean;
  readonly encoding: "integer" | "character" | "boolean";
}

export interface FloatType {
  readonly kind: "float";
  readonly name: string;
  /** Bytes; 16 for x87's `long double` (80 bits used). Twice the part's size if `complex`. */
  readonly size: number;
  readonly complex: boolean;
}

export interface PointerType {
  readonly kind: "pointer";
  readonly target: CType;
}

/** One dimension; `int a[2][3]` is an array of 2 arrays of 3. */
export interface ArrayType {
  readonly kind: "array";
  readonly element: CType;
  /** `null`: not known (`extern int a[]`, a flexible array member). */
  readonly count: number | null;
}

/** A struct or a union. */
export interface StructType {
  readonly kind: "struct";
  readonly union: boolean;
  /** `null` for an anonymous one. */
  readonly tag: string | null;
  /** Bytes; `null` where only a declaration is known anywhere. */
  readonly size: number | null;
  readonly members: readonly Member[];
}

export interface Member {
  /** `null` for an anonymous struct or union, whose members count as the owner's. */
  readonly name: string | null;
  readonly type: CType;
  /** Bytes from the beginning of the struct; of a bit-field: of the byte that holds its first bit. */
  readonly offset: number;
  /** Only of a bit-field: its first bit within that byte (little-endian), and how many. */
  readonly bits: { readonly first: number; readonly count: number } | null;
}

export interface EnumType {
  readonly kind: "enum";
  readonly tag: string | null;
  /** Bytes; `null` where only a declaration is known. */
  readonly size: number | null;
  readonly signed: boolean;
  readonly enumerators: readonly Enumerator[];
}

export interface Enumerator {
  readonly name: string;
  readonly value: bigint;
}

export interface TypedefType {
  readonly kind: "typedef";
  readonly name: string;
  readonly type: CType;
}

export interface QualifiedType {
  readonly kind: "qualified";
  readonly qualifiers: readonly ("const" | "volatile" | "restrict" | "_Atomic")[];
  readonly type: CType;
}

export interface FunctionType {
  readonly kind: "function";
  readonly result: CType;
  readonly parameters: readonly { readonly name: string | null; readonly type: CType }[];
  readonly variadic: boolean;
  /** False for `f()`, whose parameters are not told. */
  readonly prototyped: boolean;
}

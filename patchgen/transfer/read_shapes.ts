/** Reads the shapes of a unit's types and variables from its debug information. */
import { addon, type ModuleHandle } from "../../native/addon/addon.js";
import type { CType, StructType } from "../../native/ctypes.js";
import { identityInside } from "../../native/data/identity.js";
import { ModuleTypes } from "../../native/inspect/types.js";
import type { DataSymbol } from "../model.js";
import type { MemberShape, RecordShape, Shape, VariableShape } from "./shapes.js";

/** What one version of a unit sees and defines. */
export interface UnitShapes {
  readonly records: readonly RecordShape[];
  readonly variables: readonly VariableShape[];
}

const loadAddress = 0x400000n;
const mostNames = 1 << 20;
const deepest = 48;

/** `path`: a file that `withLinked` made; `data`: the objects that the unit defines. */
export function readShapes(path: string, source: string, data: readonly DataSymbol[]): UnitShapes {
  return new Reader(addon.openModule(path, { loadAddress }), source).read(data);
}

class Reader {
  readonly #types: ModuleTypes;
  readonly #records = new Map<string, RecordShape | null>();
  /** Names of anonymous records, by the object that stands for the type. */
  readonly #names = new Map<StructType, string>();

  constructor(
    private readonly module: ModuleHandle,
    private readonly source: string,
  ) {
    this.#types = new ModuleTypes(module, (kind, tag) => this.#complete(kind, tag));
  }

  #complete(kind: string, tag: string): CType | null {
    const entry = addon
      .debugNames(this.module, tag)
      .find((one) => one.kind === kind && !one.declaration);
    return entry === undefined ? null : this.#types.type(entry.type);
  }

  read(data: readonly DataSymbol[]): UnitShapes {
    for (const name of addon.debugBeginning(this.module, "type", "", mostNames)) {
      for (const entry of addon.debugNames(this.module, name)) {
        if (!/^(struct|union|typedef)$/.test(entry.kind) || entry.declaration) continue;
        this.#shape(this.#types.type(entry.type), name, 0, null);
      }
    }
    const variables = data.flatMap((symbol): readonly VariableShape[] => {
      const { name, function: host } = symbol;
      const entries =
        host === null
          ? addon.debugNames(this.module, name).filter((one) => one.kind === "variable")
          : addon.debugStatics(this.module, host, name);
      const entry = entries.find((one) => !one.declaration) ?? entries[0];
      if (entry === undefined) return [];
      const shape = this.#shape(this.#types.type(entry.type), name, 0, null);
      return [{ ...symbol, source: this.source, shape }];
    });
    const records = [...this.#records.values()].filter((one) => one !== null);
    return { records, variables };
  }

  /** `owner`: what anonymous records inside are named after; `typedef`: the name that stands for it. */
  #shape(type: CType, owner: string, depth: number, typedef: string | null): Shape {
    if (depth > deepest) return { kind: "opaque", text: "…", size: null };
    switch (type.kind) {
      case "typedef": {
        const identity = identityInside({
          kind: "typedef",
          name: type.name,
          type: { kind: "void" },
        });
        if (identity !== null) {
          const inner = this.#shape(type.type, owner, depth + 1, type.name);
          const size = "size" in inner ? inner.size : null;
          const record = inner.kind === "record" ? this.#records.get(inner.name) : undefined;
          return { kind: "identity", what: identity.what, size: record?.size ?? size ?? 0 };
        }
        return this.#shape(type.type, owner, depth + 1, type.name);
      }
      case "qualified":
        return this.#shape(type.type, owner, depth + 1, typedef);
      case "integer":
        return {
          kind: "integer",
          name: type.name,
          size: type.size,
          signed: type.signed,
          boolean: type.encoding === "boolean",
        };
      case "enum":
        return {
          kind: "enum",
          name: type.tag === null ? (typedef ?? "enum") : `enum ${type.tag}`,
          size: type.size ?? 4,
          signed: type.signed,
          boolean: false,
        };
      case "float":
        return { kind: "float", name: type.name, size: type.size };
      case "pointer":
        return { kind: "pointer", target: this.#target(type.target, owner, depth + 1) };
      case "array":
        return {
          kind: "array",
          count: type.count,
          element: this.#shape(type.element, owner, depth + 1, null),
        };
      case "struct":
        return this.#record(type, owner, depth, typedef);
      case "void":
        return { kind: "opaque", text: "void", size: null };
      case "function":
        return { kind: "opaque", text: this.#signature(type, owner, depth), size: null };
    }
  }

  #target(type: CType, owner: string, depth: number): Shape {
    return this.#shape(type, owner, depth, null);
  }

  #signature(type: Extract<CType, { kind: "function" }>, owner: string, depth: number): string {
    const text = (one: CType): string => shapeName(this.#shape(one, owner, depth + 1, null));
    const parameters = type.parameters.map((one) => text(one.type));
    return `${text(type.result)} (${[...parameters, ...(type.variadic ? ["..."] : [])].join(", ")})`;
  }

  #record(type: StructType, owner: string, depth: number, typedef: string | null): Shape {
    const kind = type.union ? "union" : "struct";
    const own = type.tag === null ? (typedef ?? owner) : `${kind} ${type.tag}`;
    const name = this.#names.get(type) ?? own;
    this.#names.set(type, name);
    // Declared only: another unit may define it.
    if (type.size === null) return { kind: "record", name };
    if (!this.#records.has(name)) {
      this.#records.set(name, null);
      const overlapping = type.members.some((one) => one.name === null && hasUnion(one.type, 0));
      const members = this.#members(type, name, 0, depth + 1);
      this.#records.set(name, { name, union: type.union, size: type.size, members, overlapping });
    }
    return { kind: "record", name };
  }

  #members(type: StructType, owner: string, at: number, depth: number): readonly MemberShape[] {
    return type.members.flatMap((member): readonly MemberShape[] => {
      const offset = at + member.offset;
      const inner = resolved(member.type);
      if (member.name === null && inner.kind === "struct") {
        return this.#members(inner, owner, offset, depth + 1);
      }
      const name = member.name ?? "";
      const shape = this.#shape(member.type, `${owner}.${name}`, depth, null);
      return [{ name, offset, bits: member.bits, shape }];
    });
  }
}

function shapeName(shape: Shape): string {
  if (shape.kind === "pointer") return `${shapeName(shape.target)} *`;
  if (shape.kind === "array") return `${shapeName(shape.element)} []`;
  if (shape.kind === "identity") return shape.what;
  return shape.kind === "opaque" ? shape.text : shape.name;
}

function resolved(type: CType): CType {
  let current = type;
  while (current.kind === "typedef" || current.kind === "qualified") current = current.type;
  return current;
}

function hasUnion(type: CType, depth: number): boolean {
  const inner = resolved(type);
  if (inner.kind !== "struct" || depth > deepest) return false;
  return (
    inner.union || inner.members.some((one) => one.name === null && hasUnion(one.type, depth + 1))
  );
}

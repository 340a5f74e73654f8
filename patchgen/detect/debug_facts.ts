/** What a linked unit's debug information says of its types, data and functions, as plain data. */
import { addon, type DebugType, type ModuleHandle } from "../../native/addon/addon.js";

export interface MemberShape {
  readonly name: string;
  readonly offset: number;
  /** First bit and bits of a bit-field, else 0. */
  readonly firstBit: number;
  readonly bits: number;
  readonly size: number | null;
  /** The type as text: tags by name, typedefs resolved. */
  readonly type: string;
  /** Named structs and unions that it contains by value. */
  readonly contains: readonly string[];
}

export interface TypeShape {
  /** `struct kex`, or a typedef's name for an anonymous one. */
  readonly name: string;
  readonly kind: "struct" | "union" | "enum";
  readonly size: number | null;
  readonly members: readonly MemberShape[];
  /** `NAME=value` of an enum. */
  readonly values: readonly string[];
}

export interface VariableShape {
  readonly type: string;
  readonly contains: readonly string[];
  /** The type of the elements and the outermost length of an array. */
  readonly element: string | null;
  readonly count: number | null;
}

export interface DebugFacts {
  readonly types: readonly TypeShape[];
  /** Result and parameters of a function; `null` if it is not told. */
  signatureOf(name: string): string | null;
  /** `functionName`: of a static local. */
  variable(name: string, functionName: string | null): VariableShape | null;
  /** Those of `functions` that have a static local of that name at the symbol's place. */
  ownerOf(symbol: string, name: string, functions: readonly string[]): string | null;
}

const mostNames = 1 << 20;
const deepest = 48;
/** Where `ld` puts static programs (`-no-pie`) on x86-64. */
const loadAddress = 0x400000n;

/** `path`: a file that `withLinked` made; what is returned may be used until the file is gone. */
export function readDebugFacts(path: string): DebugFacts {
  return new Reader(addon.openModule(path, { loadAddress }));
}

class Reader implements DebugFacts {
  readonly #types = new Map<number, DebugType>();
  readonly #texts = new Map<number, string>();
  /** Anonymous types by the name of the typedef that stands for them. */
  readonly #typedefs = new Map<number, string>();
  readonly types: readonly TypeShape[];

  constructor(private readonly module: ModuleHandle) {
    const names = addon.debugBeginning(module, "type", "", mostNames);
    const tagged: { number: number; name: string }[] = [];
    for (const name of names) {
      for (const entry of addon.debugNames(module, name)) {
        if (entry.kind === "typedef") this.#noteTypedef(entry.type, name);
        else if (/^(struct|union|enum)$/.test(entry.kind) && !entry.declaration) {
          tagged.push({ number: entry.type, name: `${entry.kind} ${name}` });
        }
      }
    }
    for (const [number, name] of this.#typedefs) tagged.push({ number, name });
    this.types = tagged.map(({ number, name }) => this.#shape(number, name));
  }

  #noteTypedef(number: number, name: string): void {
    const target = this.#get(number).target;
    const type = this.#get(target);
    const anonymous = type.name === null && /^(struct|union|enum)$/.test(type.kind);
    if (anonymous && !this.#typedefs.has(target)) this.#typedefs.set(target, name);
  }

  #get(number: number): DebugType {
    const known = this.#types.get(number) ?? addon.debugType(this.module, number);
    this.#types.set(number, known);
    return known;
  }

  #shape(number: number, name: string): TypeShape {
    const type = this.#get(number);
    const kind = type.kind === "union" || type.kind === "enum" ? type.kind : "struct";
    return {
      name,
      kind,
      size: type.size,
      members: kind === "enum" ? [] : this.#members(type, 0, 0),
      values: type.enumerators.map((one) => `${one.name}=${one.value}`),
    };
  }

  /** Members of anonymous members count as the type's own, as in C. */
  #members(type: DebugType, offset: number, depth: number): readonly MemberShape[] {
    return type.members.flatMap((member): readonly MemberShape[] => {
      const inner = this.#get(this.#resolved(member.type));
      const at = offset + member.offset;
      const holds = inner.kind === "struct" || inner.kind === "union";
      if (member.name === null && holds && depth < deepest) {
        return this.#members(inner, at, depth + 1);
      }
      return [
        {
          name: member.name ?? "",
          offset: at,
          firstBit: member.firstBit,
          bits: member.bits,
          size: this.#size(member.type, 0),
          type: this.#text(member.type, 0),
          contains: [...this.#contained(member.type, 0)],
        },
      ];
    });
  }

  /** Through typedefs and qualifiers. */
  #resolved(number: number): number {
    let current = number;
    for (let step = 0; step < deepest; step++) {
      const type = this.#get(current);
      if (type.kind !== "typedef" && type.kind !== "qualified") break;
      current = type.target;
    }
    return current;
  }

  #size(number: number, depth: number): number | null {
    const type = this.#get(this.#resolved(number));
    if (type.kind === "pointer") return 8;
    if (type.kind !== "array" || depth > deepest) return type.size;
    const element = this.#size(type.target, depth + 1);
    return type.counts.reduce<number | null>(
      (size, count) => (size === null || count === null ? null : size * count),
      element,
    );
  }

  #text(number: number, depth: number): string {
    const known = this.#texts.get(number);
    if (known !== undefined) return known;
    const made = depth > deepest ? "…" : this.#made(number, depth);
    if (depth === 0) this.#texts.set(number, made);
    return made;
  }

  #made(number: number, depth: number): string {
    const type = this.#get(number);
    const target = (): string => this.#text(type.target, depth + 1);
    switch (type.kind) {
      case "void":
        return "void";
      case "base":
        return `${type.name}:${type.size}`;
      case "pointer":
        return `${target()} *`;
      case "array":
        return `${target()}${type.counts.map((count) => `[${count ?? ""}]`).join("")}`;
      case "typedef":
        return target();
      case "qualified":
        return `${type.qualifier} ${target()}`;
      case "function":
        return this.#signature(type, depth + 1);
      default:
        return this.#tag(number, type, depth);
    }
  }

  #tag(number: number, type: DebugType, depth: number): string {
    if (type.name !== null) return `${type.kind} ${type.name}`;
    const typedef = this.#typedefs.get(number);
    if (typedef !== undefined) return typedef;
    const members = type.members.map(
      (one) => `${this.#text(one.type, depth + 1)} ${one.name ?? ""}@${one.offset}`,
    );
    const values = type.enumerators.map((one) => `${one.name}=${one.value}`);
    return `${type.kind} {${[...members, ...values].join("; ")}}`;
  }

  #signature(type: DebugType, depth: number): string {
    const parameters = type.members.map((one) => this.#text(one.type, depth + 1));
    if (type.variadic) parameters.push("...");
    return `${this.#text(type.target, depth + 1)} (${parameters.join(", ")})`;
  }

  #contained(number: number, depth: number): Set<string> {
    const found = new Set<string>();
    const resolved = this.#resolved(number);
    const type = this.#get(resolved);
    if (depth > deepest) return found;
    if (type.kind === "array") return this.#contained(type.target, depth + 1);
    if (type.kind !== "struct" && type.kind !== "union") return found;
    const name = type.name === null ? this.#typedefs.get(resolved) : `${type.kind} ${type.name}`;
    if (name !== undefined) found.add(name);
    else {
      for (const member of type.members) {
        for (const one of this.#contained(member.type, depth + 1)) found.add(one);
      }
    }
    return found;
  }

  signatureOf(name: string): string | null {
    const entry = addon.debugNames(this.module, name).find((one) => one.kind === "function");
    return entry === undefined ? null : this.#signature(this.#get(entry.type), 0);
  }

  variable(name: string, functionName: string | null): VariableShape | null {
    const entries =
      functionName === null
        ? addon.debugNames(this.module, name).filter((one) => one.kind === "variable")
        : addon.debugStatics(this.module, functionName, name);
    // The definition has the length of `extern int a[];`.
    const entry = entries.find((one) => !one.declaration) ?? entries[0];
    if (entry === undefined) return null;
    const array = this.#get(this.#resolved(entry.type));
    const inner = array.counts.slice(1).map((count) => `[${count ?? ""}]`);
    return {
      type: this.#text(entry.type, 0).replace(/^((const|volatile) )+/, ""),
      contains: [...this.#contained(entry.type, 0)],
      element: array.kind === "array" ? this.#text(array.target, 0) + inner.join("") : null,
      count: array.kind === "array" ? (array.counts[0] ?? null) : null,
    };
  }

  ownerOf(symbol: string, name: string, functions: readonly string[]): string | null {
    const place = addon.findSymbols(this.module, symbol)[0];
    if (place === undefined) return null;
    return (
      functions.find((candidate) =>
        addon
          .debugStatics(this.module, candidate, name)
          .some((entry) => entry.value === place.address),
      ) ?? null
    );
  }
}

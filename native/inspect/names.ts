/** The names of a program: what its modules, in the loader's order, call variables, functions and types. */
import { addon, type DebugName, type ElfSymbol, type ModuleHandle } from "../addon/addon.js";
import { address } from "../address.js";
import type { CType } from "../ctypes.js";
import { EngineError } from "../engine.js";
import type { Entity, NameQuery, ProgramNames, Storage, TypeQuery } from "../inspection.js";
import { libraryIsNamed, type LoadedModule } from "../process/modules.js";
import type { IndirectFunctions } from "../resolve/ifunc.js";
import { basicType, ModuleTypes, voidType } from "./types.js";

const mostCandidates = 20_000;
const mostPlaces = 5;

export class ModuleNames implements ProgramNames {
  private readonly typesOf = new Map<ModuleHandle, ModuleTypes>();
  private readonly complete_ = new Map<string, CType | null>();

  /**
   * @param modules the executable first, then in the loader's order; asked anew each time
   * @param indirect what IFUNCs have been resolved to; `null`: nobody runs the program
   */
  constructor(
    private readonly modules: () => readonly LoadedModule[],
    private readonly indirect: IndirectFunctions | null,
  ) {}

  get hasTypes(): boolean {
    return this.modules()[0]?.info.hasDwarf ?? false;
  }

  /** Forgets what was not found: a library that is loaded since may have it. */
  refresh(): void {
    this.complete_.clear();
  }

  entity(query: NameQuery): Entity {
    const modules = this.searched(query);
    for (const module of modules) {
      const found = this.inModule(module, query, modules);
      if (found !== null) return found;
    }
    // A library's statics count only when nothing else has the name.
    for (const module of modules) {
      const found = query.function === undefined ? this.localSymbol(module, query) : null;
      if (found !== null) return found;
    }
    throw this.noSuchName(query);
  }

  type(query: TypeQuery): CType | null {
    if (query.kind === "basic") return basicType(query.name);
    const key = `${query.kind} ${query.name}`;
    const known = this.complete_.get(key);
    if (known !== undefined) return known;
    // Entered first: a type that is only declared everywhere asks for itself.
    this.complete_.set(key, null);
    let declared: CType | null = null;
    for (const module of this.modules()) {
      for (const entry of addon.debugNames(module.handle, query.name)) {
        if (entry.kind !== query.kind) continue;
        if (!entry.declaration) {
          const type = this.types(module).type(entry.type);
          this.complete_.set(key, type);
          return type;
        }
        declared ??= this.types(module).type(entry.type);
      }
    }
    this.complete_.set(key, declared);
    return declared;
  }

  complete(
    kind: "variable" | "function" | "type" | "source",
    prefix: string,
    limit: number,
  ): readonly string[] {
    const names = new Set<string>();
    for (const module of this.modules()) {
      for (const name of addon.debugBeginning(module.handle, kind, prefix, limit)) names.add(name);
      if (kind === "function" && (module.isExecutable || module.info.hasDwarf)) {
        for (const name of addon.functionNames(module.handle))
          if (name.startsWith(prefix)) names.add(name);
      }
    }
    return [...names].sort().slice(0, limit);
  }

  private types(module: LoadedModule): ModuleTypes {
    let types = this.typesOf.get(module.handle);
    if (types === undefined) {
      types = new ModuleTypes(module.handle, (kind, tag) => {
        const type = this.type({ kind, name: tag });
        return type !== null && "size" in type && type.size !== null ? type : null;
      });
      this.typesOf.set(module.handle, types);
    }
    return types;
  }

  private searched(query: NameQuery): readonly LoadedModule[] {
    const modules = this.modules();
    const { place } = query;
    if (place?.kind !== "library") return modules;
    const named = modules.filter((m) => libraryIsNamed(m, place.name));
    if (named.length > 0) return named;
    throw new EngineError(
      "UNKNOWN_LIBRARY",
      "refused",
      `the program has not loaded a library "${place.name}"`,
      { subject: place.name, candidates: modules.map((m) => m.info.soname ?? m.path) },
    );
  }

  /** What a module has of that name: its global, else its only static, else a global symbol without debug information. */
  private inModule(
    module: LoadedModule,
    query: NameQuery,
    modules: readonly LoadedModule[],
  ): Entity | null {
    const { name, place } = query;
    if (query.function !== undefined) {
      const statics = addon
        .debugStatics(module.handle, query.function, name)
        .filter((entry) => isIn(entry, place));
      return statics.length === 0 ? null : this.onlyOne(module, query, statics);
    }
    const entries = addon
      .debugNames(module.handle, name)
      .filter((entry) => isIn(entry, place) && isEntity(entry));
    const defined = distinct(entries.filter((entry) => isDefined(entry)));
    const global = defined.find((entry) => entry.external);
    if (global !== undefined) return this.byDebugName(module, name, global);
    const mayBeStatic = module.isExecutable || place !== undefined;
    if (mayBeStatic && defined.length > 0) return this.onlyOne(module, query, defined);
    if (place?.kind === "source") return null;
    const symbol = globalSymbol(module, name);
    if (symbol === undefined) return null;
    const declared = [module, ...modules]
      .flatMap((m) => addon.debugNames(m.handle, name).map((entry) => ({ m, entry })))
      .find(({ entry }) => entry.kind === (isFunction(symbol) ? "function" : "variable"));
    const type = declared === undefined ? null : this.types(declared.m).type(declared.entry.type);
    return this.bySymbol(module, symbol, type === voidType ? null : type);
  }

  private bySymbol(module: LoadedModule, symbol: ElfSymbol, type: CType | null): Entity {
    const { indirect } = this;
    if (symbol.kind !== "ifunc" || indirect === null) return bySymbol(module, symbol, type);
    const resolved = indirect.resolve(this.modules(), module, symbol);
    return bySymbol(module, { ...symbol, address: resolved }, type);
  }

  private onlyOne(
    module: LoadedModule,
    query: NameQuery,
    entries: readonly DebugName[],
  ): Entity | null {
    const [first] = entries;
    if (first === undefined) return null;
    if (entries.length > 1)
      throw ambiguous(
        query,
        entries.map((entry) => entry.source ?? "?"),
      );
    return this.byDebugName(module, query.name, first);
  }

  private byDebugName(module: LoadedModule, name: string, entry: DebugName): Entity {
    const type = this.types(module).type(entry.type);
    const value = entry.value ?? 0n;
    const common = { name, source: entry.source, module: module.path };
    if (entry.kind === "enumerator") {
      const bits = type.kind === "enum" ? (type.size ?? 4) * 8 : 64;
      const signed = type.kind !== "enum" || type.signed;
      return {
        kind: "enumerator",
        name,
        type,
        value: signed ? BigInt.asIntN(bits, value) : BigInt.asUintN(bits, value),
      };
    }
    // Asked for by few, and reading a large program's symbols takes long.
    const size = (): number | null => sizeBySymbol(module, name, value);
    if (entry.kind === "function") {
      return {
        ...common,
        kind: "function",
        type,
        address: address(value),
        get size() {
          return size();
        },
      };
    }
    const storage = storageOf(entry, module.path, value);
    return {
      ...common,
      kind: "variable",
      type,
      storage,
      get size() {
        return storage.kind === "constant" ? null : size();
      },
    };
  }

  /** Without debug information: a static by its symbol alone. */
  private localSymbol(module: LoadedModule, query: NameQuery): Entity | null {
    const { name, place } = query;
    const locals = new Map<bigint, ElfSymbol>();
    for (const symbol of addon.findSymbols(module.handle, name)) {
      if (symbol.binding !== "local") continue;
      if (place?.kind === "source" && !isSource(symbol.file ?? "", place.name)) continue;
      locals.set(symbol.address, symbol);
    }
    const [first] = locals.values();
    if (first === undefined) return null;
    if (locals.size > 1)
      throw ambiguous(
        query,
        [...locals.values()].map((symbol) => symbol.file ?? "?"),
      );
    return this.bySymbol(module, first, null);
  }

  private noSuchName(query: NameQuery): EngineError {
    const { name, place } = query;
    const candidates = new Set<string>();
    for (const module of this.modules()) {
      for (const kind of ["variable", "function"] as const) {
        for (const known of addon.debugBeginning(module.handle, kind, "", mostCandidates))
          candidates.add(known);
      }
    }
    const [executable] = this.modules();
    if (executable !== undefined)
      for (const known of addon.functionNames(executable.handle)) candidates.add(known);
    const known = (m: LoadedModule): boolean =>
      query.function === undefined
        ? addon.debugNames(m.handle, name).some((entry) => isEntity(entry) && isIn(entry, place))
        : addon.debugStatics(m.handle, query.function, name).some((entry) => isIn(entry, place));
    if (place?.kind !== "library" && this.modules().some(known)) {
      return new EngineError(
        "NO_SUCH_NAME",
        "refused",
        `${name} has no place in the running program: the compiler optimised it away`,
        { subject: name },
      );
    }
    const where =
      query.function !== undefined
        ? `function ${query.function} has no static`
        : place === undefined
          ? "the program has no"
          : `"${place.name}" has no`;
    const help = this.hasTypes
      ? undefined
      : "the program has no debug information: only what its symbol table names is known";
    return new EngineError("NO_SUCH_NAME", "refused", `${where} ${name}`, {
      subject: name,
      candidates: [...candidates],
      ...(help === undefined ? {} : { help }),
    });
  }
}

/** True if `in "NAME"` means this path: itself or its last parts. */
function isSource(path: string, name: string): boolean {
  return path === name || path.endsWith(`/${name}`);
}

/** True if a declaration stands in the source file that a script names, or it names none. */
function isIn(entry: DebugName, place: NameQuery["place"]): boolean {
  return place?.kind !== "source" || (entry.source !== null && isSource(entry.source, place.name));
}

function isEntity(entry: DebugName): boolean {
  return entry.kind === "variable" || entry.kind === "function" || entry.kind === "enumerator";
}

function isDefined(entry: DebugName): boolean {
  if (entry.kind === "enumerator") return true;
  return !entry.declaration && entry.place !== null && entry.place !== undefined;
}

/** Of entries for one and the same place the first. */
function distinct(entries: readonly DebugName[]): DebugName[] {
  const seen = new Map<string, DebugName>();
  for (const entry of entries) {
    const key =
      entry.place === "constant"
        ? `constant ${entry.source ?? ""} ${entry.bytes?.toString("hex") ?? ""}`
        : `${entry.kind} ${entry.place ?? ""} ${entry.value ?? 0n}`;
    if (!seen.has(key)) seen.set(key, entry);
  }
  return [...seen.values()];
}

function storageOf({ place, bytes }: DebugName, module: string, value: bigint): Storage {
  switch (place) {
    case "tls":
      return { kind: "tls", module, offset: value };
    case "constant":
      return { kind: "constant", bytes: bytes ?? new Uint8Array() };
    default:
      return { kind: "static", address: address(value) };
  }
}

function isFunction(symbol: ElfSymbol): boolean {
  return symbol.kind === "func" || symbol.kind === "ifunc";
}

function globalSymbol(module: LoadedModule, name: string): ElfSymbol | undefined {
  const symbols = addon.findSymbols(module.handle, name).filter((s) => s.binding !== "local");
  return symbols.find((s) => s.defaultVersion) ?? symbols[0];
}

function sizeBySymbol(module: LoadedModule, name: string, at: bigint): number | null {
  const named = addon.findSymbols(module.handle, name).find((s) => s.address === at);
  // A function's static variable has a number behind its name there.
  const symbol = named ?? addon.symbolAt(module.handle, at);
  return symbol === null || symbol.address !== at || symbol.size === 0 ? null : symbol.size;
}

function ambiguous(query: NameQuery, sources: readonly string[]): EngineError {
  const places = [...new Set(sources)];
  const prefix = query.function === undefined ? "" : `${query.function}::`;
  const choices = places
    .slice(0, mostPlaces)
    .map((source) => `${prefix}${query.name} in "${shortest(source, places)}"`);
  const more = places.length > mostPlaces ? ", …" : "";
  return new EngineError(
    "AMBIGUOUS_NAME",
    "refused",
    `${sources.length} variables or functions are named ${query.name}`,
    {
      subject: query.name,
      help: `say which one is meant: ${choices.join(", or ")}${more}`,
      candidates: choices,
    },
  );
}

/** As many last parts of a path as tell it from the others. */
function shortest(path: string, all: readonly string[]): string {
  const parts = path.split("/");
  for (let count = 1; count < parts.length; count++) {
    const suffix = parts.slice(-count).join("/");
    if (all.filter((other) => isSource(other, suffix)).length === 1) return suffix;
  }
  return path;
}

function bySymbol(module: LoadedModule, symbol: ElfSymbol, type: CType | null): Entity {
  const { name } = symbol;
  const size = symbol.size > 0 ? symbol.size : null;
  const common = { name, type, size, source: null, module: module.path };
  if (symbol.kind === "tls")
    return {
      ...common,
      kind: "variable",
      storage: { kind: "tls", module: module.path, offset: symbol.address },
    };
  const at = address(symbol.address);
  return isFunction(symbol)
    ? { ...common, kind: "function", address: at }
    : { ...common, kind: "variable", storage: { kind: "static", address: at } };
}

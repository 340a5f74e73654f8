/**
 * Resolves what a patch leaves undefined against the running program: its globals, its
 * statics by file (labels `name$file.c`), then the loaded libraries in the dynamic loader's
 * order with symbol versions, IFUNCs by their resolved address, TLS variables.
 */
import { addon, type ElfSymbol, type PatchObject, type PatchSymbol } from "../addon/addon.js";
import { EngineError, type Replacement } from "../engine.js";
import type { LoadedModule } from "../process/modules.js";
import type { RuntimeRecord } from "../record/record.js";
import { isInSource } from "./functions.js";
import type { IndirectFunctions } from "./ifunc.js";

export interface Import {
  readonly module: LoadedModule;
  readonly symbol: ElfSymbol;
  /** Address, or offset in the module's TLS block where `symbol.kind` is `tls`. */
  readonly value: bigint;
}

/** Names that crtstuff and the linker bring in, and that mean nothing for a patch. */
const compilersOwn = new Set([
  "_ITM_registerTMCloneTable",
  "_ITM_deregisterTMCloneTable",
  "__gmon_start__",
  "__cxa_finalize",
]);

/** `name$file.c` taken apart; `file` is "" for `name$`, `null` for a plain name. `$2d`, `$2f` stand for `-`, `/`. */
export function parseLabel(label: string): { readonly name: string; readonly file: string | null } {
  const at = label.indexOf("$");
  if (at <= 0) return { name: label, file: null };
  const file = label
    .slice(at + 1)
    .replace(/\$([0-9a-f]{2})/g, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)));
  return { name: label.slice(0, at), file };
}

const previousSuffix = "$$previous";

/**
 * `name$$previous` or `name$file.c$$previous`: the function as it is below the patch that asks, an earlier
 * update's or the program's own. `null` for other labels.
 */
export function parsePrevious(label: string): Replacement | null {
  if (!label.endsWith(previousSuffix)) return null;
  const { name, file } = parseLabel(label.slice(0, -previousSuffix.length));
  if (file === null || file === "") return { function: name };
  const kind = /\.so(\.\d+)*$/.test(file) ? "library" : "source";
  return { function: name, scope: { kind, name: file } };
}

/** The functions of a patch's labels `…$$previous`, in the order of its symbols. */
export function previousOnes(object: PatchObject): readonly Replacement[] {
  return object.symbols.flatMap((s) =>
    s.dynamic && !s.defined ? (parsePrevious(s.name) ?? []) : [],
  );
}

function unresolved(label: string, why: string, candidates: readonly string[] = []): EngineError {
  return new EngineError("UNRESOLVED_IMPORT", "refused", `the patch needs ${label}, ${why}`, {
    subject: label,
    candidates,
  });
}

/** Code of ours has no symbol in any module of the target. */
function ownImport(module: LoadedModule, name: string, value: bigint): Import {
  const symbol: ElfSymbol = {
    name,
    address: value,
    size: 0,
    kind: "func",
    binding: "global",
    visibility: "default",
    file: null,
    version: null,
    defaultVersion: true,
    dynamic: true,
  };
  return { module, symbol, value };
}

export class ImportResolver {
  private readonly cache = new Map<string, Import | null>();
  private provided: ReadonlyMap<string, bigint> = new Map();
  private previous: ((wanted: Replacement) => bigint) | null = null;
  private held: (label: string) => bigint | null = () => null;

  /**
   * @param modules in the loader's order, the executable first
   */
  constructor(
    private readonly modules: readonly LoadedModule[],
    private readonly indirect: IndirectFunctions,
  ) {}

  /** Names with addresses that come before all others: what the runtime in the target exports. */
  provide(symbols: RuntimeRecord["symbols"]): void {
    this.provided = new Map(symbols.map(({ name, address }) => [name, address]));
  }

  /** Says what the patches that the process carries define; their labels come before the program's. */
  resolveHeld(of: (label: string) => bigint | null): void {
    this.held = of;
  }

  /** Says what functions are below the patch whose imports are resolved next. */
  resolvePrevious(of: (wanted: Replacement) => bigint): void {
    this.previous = of;
  }

  /**
   * `null`: a weak symbol that nobody defines.
   * @throws EngineError refused: UNRESOLVED_IMPORT, AMBIGUOUS_IMPORT; NotChosenYet
   */
  resolve(symbol: PatchSymbol): Import | null {
    const wanted = parsePrevious(symbol.name);
    const executable = this.modules[0];
    if (wanted !== null && executable !== undefined) {
      // Not kept: for each patch it is another one.
      if (this.previous === null)
        throw unresolved(symbol.name, "which there is only while the patch is applied");
      return ownImport(executable, symbol.name, this.previous(wanted));
    }
    const key = `${symbol.name}@${symbol.version ?? ""}`;
    const known = this.cache.get(key);
    if (known !== undefined) return known;
    const found = this.find(symbol);
    this.cache.set(key, found);
    return found;
  }

  /** Undefined symbols of an object that need an answer. */
  static needed(object: PatchObject): PatchSymbol[] {
    return object.symbols.filter(
      (s) => s.dynamic && !s.defined && s.name !== "" && !compilersOwn.has(s.name),
    );
  }

  private find(symbol: PatchSymbol): Import | null {
    if (compilersOwn.has(symbol.name)) return null;
    const { name, file } = parseLabel(symbol.name);
    const executable = this.modules[0];
    if (executable === undefined) throw unresolved(symbol.name, "but the target has no modules");
    const held = file === null ? null : this.held(symbol.name);
    if (held !== null) return ownImport(executable, symbol.name, held);
    const ours = file === null ? this.provided.get(name) : undefined;
    if (ours !== undefined) return ownImport(executable, name, ours);
    if (file !== null && file !== "") return this.staticOf(executable, symbol.name, name, file);
    const own = this.globalsOf(executable, name)[0];
    if (own !== undefined) return this.import(executable, own);
    if (file === "")
      throw unresolved(
        symbol.name,
        `but the program has no global ${name}`,
        addon.functionNames(executable.handle),
      );
    for (const module of this.modules.slice(1)) {
      const exported = this.exported(module, name, symbol.version);
      if (exported !== undefined) return this.import(module, exported);
    }
    const statics = this.distinctLocals(executable, name);
    if (statics.length > 1) {
      throw new EngineError(
        "AMBIGUOUS_IMPORT",
        "refused",
        `the patch needs ${name}, and ${statics.length} files have a static one`,
        {
          subject: name,
          help: `say which: ${statics.map((s) => `${name}$${s.file ?? "?"}`).join(" or ")}`,
        },
      );
    }
    const only = statics[0];
    if (only !== undefined) return this.import(executable, only);
    if (symbol.binding === "weak") return null;
    throw unresolved(
      symbol.name,
      "which neither the program nor a loaded library has",
      addon.functionNames(executable.handle),
    );
  }

  private globalsOf(module: LoadedModule, name: string): ElfSymbol[] {
    return addon.findSymbols(module.handle, name).filter((s) => s.binding !== "local");
  }

  private distinctLocals(module: LoadedModule, name: string): ElfSymbol[] {
    const byAddress = new Map<bigint, ElfSymbol>();
    for (const s of addon.findSymbols(module.handle, name))
      if (s.binding === "local") byAddress.set(s.address, s);
    return [...byAddress.values()];
  }

  /** Of a source file of the program, else of the only library that has such a file and its symbols. */
  private staticOf(executable: LoadedModule, label: string, name: string, file: string): Import {
    const inSource = (module: LoadedModule): readonly Import[] =>
      this.distinctLocals(module, name)
        .filter((s) => isInSource(module, s, file))
        .map((s) => this.import(module, s));
    const own = inSource(executable);
    const inFile = own.length > 0 ? own : this.modules.slice(1).flatMap(inSource);
    const only = inFile[0];
    if (only === undefined) {
      throw unresolved(
        label,
        `but no static ${name} of ${file} has a symbol in the program or a loaded library`,
        addon.functionNames(executable.handle),
      );
    }
    if (inFile.length > 1) {
      throw new EngineError(
        "AMBIGUOUS_IMPORT",
        "refused",
        `${inFile.length} files named ${file} have a static ${name}`,
        {
          subject: label,
          help: "name the file with more of its path ($2f stands for a slash)",
        },
      );
    }
    return only;
  }

  /** A library's exported symbol, by version where one is asked for. */
  private exported(
    module: LoadedModule,
    name: string,
    version: string | null,
  ): ElfSymbol | undefined {
    const all = addon
      .findSymbols(module.handle, name)
      .filter(
        (s) =>
          s.dynamic &&
          s.binding !== "local" &&
          s.visibility !== "hidden" &&
          s.visibility !== "internal",
      );
    if (version !== null) {
      const exact = all.find((s) => s.version === version);
      if (exact !== undefined) return exact;
      // The loader accepts an unversioned definition for a versioned reference.
      return all.find((s) => s.version === null);
    }
    return all.find((s) => s.defaultVersion) ?? all[0];
  }

  private import(module: LoadedModule, symbol: ElfSymbol): Import {
    const value =
      symbol.kind === "ifunc"
        ? this.indirect.resolve(this.modules, module, symbol)
        : symbol.address;
    return { module, symbol, value };
  }
}

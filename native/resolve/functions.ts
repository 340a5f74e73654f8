/** Finds the function that a `replace` means. */
import { addon, type ElfSymbol } from "../addon/addon.js";
import { EngineError, type Replacement } from "../engine.js";
import { libraryIsNamed, type LoadedModule } from "../process/modules.js";

export interface FoundFunction {
  readonly module: LoadedModule;
  readonly name: string;
  readonly address: bigint;
  readonly size: number;
}

/** True if DWARF's or the symbol table's file of a local symbol is what `in "NAME"` names. */
export function isInSource(module: LoadedModule, symbol: ElfSymbol, name: string): boolean {
  const matches = (path: string): boolean => path === name || path.endsWith(`/${name}`);
  if (symbol.file !== null && !name.includes("/")) return matches(symbol.file);
  const source = addon.sourceOf(module.handle, symbol.address);
  return source !== null ? matches(source) : symbol.file !== null && matches(symbol.file);
}

/** Symbols at distinct addresses; of aliases the first. */
function distinct(symbols: readonly ElfSymbol[]): ElfSymbol[] {
  const seen = new Map<bigint, ElfSymbol>();
  for (const symbol of symbols) if (!seen.has(symbol.address)) seen.set(symbol.address, symbol);
  return [...seen.values()];
}

function whereIs(module: LoadedModule, symbol: ElfSymbol): string {
  const file =
    symbol.binding === "local"
      ? (addon.sourceOf(module.handle, symbol.address) ?? symbol.file)
      : null;
  return file === null ? symbol.name : `${symbol.name} in "${file}"`;
}

/**
 * @throws EngineError refused: UNKNOWN_FUNCTION, AMBIGUOUS_FUNCTION, UNKNOWN_LIBRARY
 */
export function findFunction(
  modules: readonly LoadedModule[],
  replacement: Replacement,
): FoundFunction {
  const { function: name, scope } = replacement;
  let searched: readonly LoadedModule[] = modules.filter((m) => m.isExecutable);
  if (scope?.kind === "library") {
    searched = modules.filter((m) => libraryIsNamed(m, scope.name));
    if (searched.length === 0) {
      throw new EngineError(
        "UNKNOWN_LIBRARY",
        "refused",
        `the target has not loaded a library "${scope.name}"`,
        {
          subject: scope.name,
          candidates: modules.map((m) => m.info.soname ?? m.path),
        },
      );
    }
  }
  const module = searched[0];
  if (module === undefined)
    throw new EngineError("TARGET_GONE", "refused", "the target has no executable");
  let found = addon
    .findSymbols(module.handle, name)
    .filter((s) => s.kind === "func" || s.kind === "ifunc");
  if (scope?.kind === "source") found = found.filter((s) => isInSource(module, s, scope.name));
  const choices = distinct(found);
  const only = choices[0];
  if (only === undefined) throw unknownFunction(modules, module, replacement);
  if (choices.length > 1) {
    throw new EngineError(
      "AMBIGUOUS_FUNCTION",
      "refused",
      `${choices.length} functions are named ${name}`,
      {
        subject: name,
        help: `say which one is meant: ${choices.map((s) => whereIs(module, s)).join(", or ")}`,
        candidates: choices.map((s) => whereIs(module, s)),
      },
    );
  }
  if (only.kind === "ifunc") {
    throw new EngineError(
      "ENTRY_NOT_HOOKABLE",
      "refused",
      `${name} is an IFUNC: its symbol names a chooser, not the function`,
      { subject: name },
    );
  }
  return { module, name, address: only.address, size: only.size };
}

function unknownFunction(
  modules: readonly LoadedModule[],
  module: LoadedModule,
  replacement: Replacement,
): EngineError {
  const { function: name, scope } = replacement;
  const where = scope === undefined ? "the target" : `"${scope.name}"`;
  const names = addon.functionNames(module.handle);
  const clones = names.filter((n) => n.startsWith(`${name}.`));
  const elsewhere = modules.find(
    (m) =>
      m !== module && addon.findSymbols(m.handle, name).some((s) => s.kind === "func" && s.dynamic),
  );
  let help: string | undefined;
  if (scope !== undefined && addon.findSymbols(module.handle, name).length > 0) {
    help = `there is a function ${name}, but not in ${where}`;
  } else if (clones.length > 0) {
    help = `the compiler made only variants of it (${clones.join(", ")}); replace the functions that call it`;
  } else if (elsewhere !== undefined) {
    help = `a library has it: replace ${name} in "${elsewhere.info.soname ?? elsewhere.path}"`;
  } else if (!module.info.hasSymtab) {
    help =
      "the executable has no symbol table; install its debug file (by build-id) or build it with one";
  }
  return new EngineError("UNKNOWN_FUNCTION", "refused", `${where} has no function ${name}`, {
    subject: name,
    candidates: names,
    ...(help === undefined ? {} : { help }),
  });
}

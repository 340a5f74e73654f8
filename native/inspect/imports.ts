/** The words by which modules reach what others define: the slots of their global offset tables. */
import { addon, type ElfSymbol } from "../addon/addon.js";
import { address, type Address } from "../address.js";
import type { ImportSlot } from "../inspection.js";
import type { LoadedModule } from "../process/modules.js";
import type { TargetProcess } from "../session/target_process.js";

/** System V ABI, x86-64 supplement, table 4.9. */
const rGlobDat = 6;
const rJumpSlot = 7;
const rIrelative = 37;

interface Definition {
  readonly module: LoadedModule;
  readonly symbol: ElfSymbol;
}

/**
 * Every slot of every module, as the dynamic loader fills it. Definitions are looked for by name in
 * all modules: of several (versions of a symbol, libraries that define it each for themselves) the
 * one that the slot leads to is right, since only the loader knows which module sees which.
 */
export function importsOf(target: TargetProcess): ImportSlot[] {
  const { modules } = target;
  const known = new Map<string, readonly Definition[]>();
  const definitionsOf = (name: string): readonly Definition[] => {
    let found = known.get(name);
    if (found === undefined) {
      found = modules.flatMap((module) => exportsOf(module, name));
      known.set(name, found);
    }
    return found;
  };
  return modules.flatMap((module) =>
    addon.moduleRelocations(module.handle).flatMap(({ type, address: slot, symbol, addend }) => {
      if (type === rIrelative) {
        const chooser = address(BigInt.asUintN(47, addend + module.info.bias));
        const named = addon.symbolAt(module.handle, chooser);
        return [
          {
            ...unresolved(module, slot),
            name: named?.name ?? "",
            library: module.path,
            indirect: true,
          },
        ];
      }
      if ((type !== rGlobDat && type !== rJumpSlot) || symbol === null) return [];
      const definitions = definitionsOf(symbol);
      const holds = wordAt(target, slot);
      const exact = definitions.find(({ symbol }) => symbol.address === holds);
      const inProgram = exact === undefined && isCanonical(modules, module, holds);
      const chosen =
        exact ?? definitions.find((one) => one.symbol.kind === "ifunc") ?? definitions[0];
      return [
        {
          ...unresolved(module, slot),
          name: symbol,
          definition: address(inProgram ? holds : (chosen?.symbol.address ?? 0n)),
          library: (inProgram ? modules[0]?.path : chosen?.module.path) ?? null,
          indirect: !inProgram && chosen?.symbol.kind === "ifunc",
          lazy: type === rJumpSlot ? lazyValue(module, slot) : null,
        },
      ];
    }),
  );
}

function unresolved(module: LoadedModule, slot: bigint): ImportSlot {
  return {
    name: "",
    module: module.path,
    slot: address(slot),
    definition: address(0n),
    library: null,
    indirect: false,
    lazy: null,
  };
}

function exportsOf(module: LoadedModule, name: string): readonly Definition[] {
  return addon
    .findSymbols(module.handle, name)
    .filter(({ dynamic, binding, kind }) => dynamic && binding !== "local" && kind !== "tls")
    .map((symbol) => ({ module, symbol }));
}

function wordAt(target: TargetProcess, slot: bigint): bigint {
  const word = addon.readMemorySome(target.handle, slot, 8);
  return word.length === 8 ? word.readBigUInt64LE(0) : 0n;
}

/**
 * In a program that is linked to a fixed place, a function whose address is taken is its entry in
 * the program's own PLT, for libraries too: no definition says so.
 */
function isCanonical(
  modules: readonly LoadedModule[],
  importer: LoadedModule,
  holds: bigint,
): boolean {
  const executable = modules[0];
  if (executable === undefined || executable === importer) return false;
  const { type, text } = executable.info;
  return type === "exec" && text.some(({ start, end }) => holds >= start && holds < end);
}

/** Where a slot leads until its function is first called: as the file has it, moved with the module. */
function lazyValue(module: LoadedModule, slot: bigint): Address | null {
  try {
    const link = addon.fileBytes(module.handle, slot, 8).readBigUInt64LE(0);
    return link === 0n ? null : address(BigInt.asUintN(47, link + module.info.bias));
  } catch {
    return null;
  }
}

/** Which units of a tree the running program is made of: a tree may build several programs. */
import { basename } from "node:path";
import { addon, type ElfSymbol, type ModuleHandle } from "../../native/addon/addon.js";
import type { Detection, UnitChange } from "../model.js";

/**
 * A detection without what only other programs of the trees are made of. As it is where no unit at all is
 * the program's: then it was built of other sources, and is refused as that.
 * @param module the running program's file or its unstripped build
 */
export function ofProgram(detection: Detection, module: ModuleHandle): Detection {
  const units = detection.units.filter((unit) => isMember(module, unit));
  if (units.every(({ old }) => old === null)) return detection;
  const others = new Set(
    detection.units.filter((unit) => !units.includes(unit)).map(({ source }) => source),
  );
  return {
    ...detection,
    units,
    types: detection.types
      .filter((type) => !type.units.every((source) => others.has(source)))
      .map((type) => ({ ...type, units: type.units.filter((source) => !others.has(source)) })),
  };
}

/** New units, and those without any symbol that the program's could be held against, count as its own. */
function isMember(module: ModuleHandle, { source, old, oldSymbols }: UnitChange): boolean {
  const functions = oldSymbols.functions.filter(({ symbol }) => symbol).map(({ name }) => name);
  // Programs that are built together have variables of the same names; functions tell their file.
  const names = functions.length > 0 ? functions : oldSymbols.data.map(({ symbol }) => symbol);
  if (old === null || names.length === 0) return true;
  return names.some((name) =>
    addon.findSymbols(module, name).some((symbol) => comesFrom(module, symbol, source)),
  );
}

/** Whether a symbol of a program was compiled from that file, as far as the program tells. */
export function comesFrom(module: ModuleHandle, symbol: ElfSymbol, source: string): boolean {
  if (symbol.file !== null && symbol.file !== basename(source)) return false;
  const path = addon.sourceOf(module, symbol.address);
  // A variable is of no unit that has code.
  if (path === null) return symbol.binding !== "local" || symbol.file !== null;
  // The compiler was given the path as seen from its own working directory.
  const tail = path.replace(/^(\.{0,2}\/)+/, "");
  return `/${tail}`.endsWith(`/${source}`) || `/${source}`.endsWith(`/${tail}`);
}

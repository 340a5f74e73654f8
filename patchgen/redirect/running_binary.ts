/** The file that runs, held against what its sources compile to. */
import { basename } from "node:path";
import { addon, type ElfSymbol, type ModuleHandle } from "../../native/addon/addon.js";
import type { Compilations } from "../detect/compilations.js";
import { PatchgenError } from "../error.js";
import type { Tree, UnitChange } from "../model.js";

/** Any will do: addresses are only compared with each other. */
const loadAddress = 0x400000n;
const namedInMessage = 6;
const jumpBytes = 5n;
const shortJumpBytes = 2n;
/** Of a short jump, from its end. */
const shortReach = 127n;

/** @throws PatchgenError NOT_THE_BINARY */
export function openProgram(path: string): ModuleHandle {
  try {
    return addon.openModule(path, { loadAddress });
  } catch (error) {
    throw new PatchgenError(
      "NOT_THE_BINARY",
      `${path} cannot be read as a program: ${error instanceof Error ? error.message : String(error)}`,
      "give the running program's file, or its build before it was stripped",
      path,
    );
  }
}

/** A function or object whose copy in the program is not what the sources make. */
export interface Mismatch {
  readonly source: string;
  readonly name: string;
  /** Bytes; `null`: the program has none of that name. */
  readonly inProgram: number | null;
  readonly inBuild: number;
}

export class RunningBinary {
  /** @throws PatchgenError NO_DEBUG_INFORMATION */
  constructor(
    readonly path: string,
    readonly module: ModuleHandle,
  ) {
    const info = addon.moduleInfo(module);
    if (info.hasSymtab && info.hasDwarf) return;
    throw new PatchgenError(
      "NO_DEBUG_INFORMATION",
      `${path} has no ${info.hasSymtab ? "debug information" : "symbol table"}`,
      "give the unstripped build of the very program that runs, or install its debug symbols (Debian: the -dbgsym package)",
      path,
    );
  }

  /** The program's own symbols of that name that come from that file. */
  symbols(name: string, source: string): readonly ElfSymbol[] {
    const fileOf = ({ binding, file, address }: ElfSymbol): string | null => {
      if (binding === "local") return file ?? "";
      // Another unit may define a function of that name for other programs of the tree. Of objects nothing is told.
      const path = addon.sourceOf(this.module, address);
      return path === null ? null : basename(path);
    };
    return addon.findSymbols(this.module, name).filter((one) => {
      const file = fileOf(one);
      return file === null || file === basename(source);
    });
  }

  /**
   * Whether a jump fits at a function's entry: five bytes up to the next function, or the two of a
   * short one that reaches five bytes which nothing executes.
   */
  hasRoom({ address }: ElfSymbol): boolean {
    const room = addon.nextFunctionStart(this.module, address) - address;
    if (room >= jumpBytes || room < shortJumpBytes) return room >= jumpBytes;
    const lowest = address + shortJumpBytes - shortReach - 1n;
    const end = address + shortJumpBytes + shortReach + 1n;
    return addon.deadPadding(this.module, lowest, end).some((gap) => {
      const start = gap.start > lowest ? gap.start : lowest;
      return (gap.end < end ? gap.end : end) - start >= jumpBytes;
    });
  }

  /** Functions and objects of the changed units that differ from what the old sources compile to. */
  async mismatches(
    tree: Tree,
    units: readonly UnitChange[],
    compilations: Compilations,
  ): Promise<readonly Mismatch[]> {
    const found = await Promise.all(
      units.map((unit) => this.#unitMismatches(tree, unit, compilations)),
    );
    return found.flat();
  }

  #holdsPartOf({ source, oldSymbols }: UnitChange): boolean {
    return (
      oldSymbols.functions.some((one) => one.symbol && this.symbols(one.name, source).length > 0) ||
      oldSymbols.data.some((one) => this.symbols(one.symbol, source).length > 0)
    );
  }

  async #unitMismatches(
    tree: Tree,
    change: UnitChange,
    compilations: Compilations,
  ): Promise<readonly Mismatch[]> {
    const { source, old: unit, oldSymbols } = change;
    if (unit === null) return [];
    const placed = { root: tree.root, unit };
    const names = [
      ...oldSymbols.functions.flatMap((one) => (one.symbol ? [one.name] : [])),
      ...oldSymbols.data.map((one) => one.symbol),
    ];
    const differingFrom = (path: string): readonly Mismatch[] => {
      const built = addon.openModule(path, { loadAddress });
      return names.flatMap((name): readonly Mismatch[] => {
        const size = addon.findSymbols(built, name)[0]?.size;
        // What the build drops with -ffunction-sections and --gc-sections is in no program.
        if (size === undefined || size === 0) return [];
        const here = this.symbols(name, source);
        if (here.some((one) => one.size === size)) return [];
        return [{ source, name, inProgram: here[0]?.size ?? null, inBuild: size }];
      });
    };
    const found = differingFrom(await compilations.linked(placed));
    // The numbers of lines are others there, though they take the room that most do.
    if (found.every((one) => one.inProgram === null)) return found;
    return differingFrom(await compilations.asBuilt(placed));
  }

  /**
   * Refuses sources of another program. A symbol that is missing may have been dropped by the
   * linker; one of another size was compiled from another text, or by another compiler.
   * @throws PatchgenError NOT_THE_BINARY
   */
  async requireMatch(
    tree: Tree,
    changes: readonly UnitChange[],
    compilations: Compilations,
  ): Promise<void> {
    // A tree may hold units of other programs too.
    const linked = changes.filter((change) => this.#holdsPartOf(change));
    const units = linked.length > 0 ? linked : changes;
    const all = await this.mismatches(tree, units, compilations);
    const differing = all.filter((one) => one.inProgram !== null);
    const missing = all.filter((one) => one.inProgram === null);
    const checked = units.reduce(
      (sum, { oldSymbols }) => sum + oldSymbols.functions.filter((one) => one.symbol).length,
      0,
    );
    if (differing.length === 0 && (missing.length === 0 || missing.length * 2 < checked)) return;
    const shown = [...differing, ...missing]
      .slice(0, namedInMessage)
      .map((one) =>
        one.inProgram === null
          ? `${one.name} (${one.source}) is not in it`
          : `${one.name} (${one.source}) has ${one.inProgram} bytes there, ${one.inBuild} by the sources`,
      );
    const more = all.length > namedInMessage ? `, and ${all.length - namedInMessage} more` : "";
    throw new PatchgenError(
      "NOT_THE_BINARY",
      `${this.path} was not built from ${tree.root} with these commands: ${shown.join(", ")}${more}`,
      "give the sources, the compiler and the options that the running program was built with, or the program built from these",
      this.path,
    );
  }
}

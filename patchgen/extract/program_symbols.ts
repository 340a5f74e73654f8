/** Which objects of the running program a patch can name. */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { basename } from "node:path";
import { addon, type ElfSymbol, type ModuleHandle } from "../../native/addon/addon.js";
import type { Tree } from "../model.js";
import { globalLabel, labelFile, staticLabel } from "./labels.js";

export interface ProgramSymbols {
  hasGlobal(name: string): boolean;
  /** `symbol` is `name`, or `name.18` of a static local. */
  hasStatic(symbol: string, source: string): boolean;
  /**
   * Symbols of the static variables `name` in the function `host`, in order; `null`: only the old
   * unit's own build can tell.
   */
  staticLocals(host: string, name: string, source: string): readonly string[] | null;
  /** Whether only a patch that the process carries has it: then it has no entry to redirect. */
  isHeld(label: string): boolean;
  /** What a label calls the file of a unit. */
  file(source: string): string;
}

/** Labels that patches which the process carries already define (`g$`, `g$kex.c`). */
export type HeldLabels = ReadonlySet<string>;

/** The symbol table of the running program's file or its unstripped build. */
export function symbolsOfBinary(module: ModuleHandle, old: Tree, held: HeldLabels): ProgramSymbols {
  const file = fileNamer(old);
  return {
    file,
    isHeld: (label) => held.has(label),
    hasGlobal: (name) =>
      held.has(globalLabel(name)) ||
      addon.findSymbols(module, name).some((symbol) => symbol.binding !== "local" && isOwn(symbol)),
    hasStatic: (name, source) =>
      held.has(staticLabel(name, file(source))) ||
      addon
        .findSymbols(module, name)
        .some((symbol) => symbol.binding === "local" && isOf(module, symbol, source)),
    staticLocals: (host, name, source) => {
      const symbols = addon.debugStatics(module, host, name).flatMap(({ value }) => {
        const symbol = value === undefined ? null : addon.symbolAt(module, value);
        return symbol !== null && isOf(module, symbol, source) ? [symbol.name] : [];
      });
      return symbols.length > 0 ? symbols : null;
    },
  };
}

/** A symbol that a library gives (a copy of its variable, an import's entry) has a version or no size. */
function isOwn(symbol: ElfSymbol): boolean {
  return symbol.version === null;
}

function isOf(module: ModuleHandle, symbol: ElfSymbol, source: string): boolean {
  if (symbol.file !== null && symbol.file !== basename(source)) return false;
  if (symbol.file !== null && !source.includes("/")) return true;
  const path = addon.sourceOf(module, symbol.address);
  if (path === null) return symbol.file !== null;
  // The compiler was given the path as seen from its own working directory.
  const tail = path.replace(/^(\.{0,2}\/)+/, "");
  return `/${tail}`.endsWith(`/${source}`) || `/${source}`.endsWith(`/${tail}`);
}

/** The objects of the old tree's build, where there is no binary to look at. */
export function symbolsOfObjects(old: Tree, held: HeldLabels): ProgramSymbols {
  const globals = new Set<string>();
  const statics = new Set<string>();
  const units = old.units.filter(({ object }) => existsSync(object));
  const file = fileNamer(old);
  for (const { source, object } of units) {
    const { stdout } = spawnSync("nm", ["-P", "--defined-only", object], {
      encoding: "utf8",
      maxBuffer: 1 << 28,
    });
    for (const line of (stdout ?? "").split("\n")) {
      const [name, type] = line.split(" ");
      if (name === undefined || type === undefined || !/^[A-Za-z]$/.test(type)) continue;
      if (/[A-Z]/.test(type)) globals.add(name);
      else statics.add(staticLabel(name, file(source)));
    }
  }
  return {
    file,
    isHeld: (label) => held.has(label),
    hasGlobal: (name) => globals.has(name) || held.has(globalLabel(name)),
    hasStatic: (name, source) => {
      const label = staticLabel(name, file(source));
      return statics.has(label) || held.has(label);
    },
    staticLocals: () => null,
  };
}

function fileNamer(old: Tree): (source: string) => string {
  const sources = old.units.map(({ source }) => source);
  const names = new Map(sources.map((source) => [source, labelFile(source, sources)]));
  return (source) => names.get(source) ?? basename(source);
}

/** What one version of a unit defines: the compiler's items by the names that the source has. */
import type { DataSymbol, FunctionSymbol, UnitSymbols } from "../model.js";
import { isClone, plainName, type AssemblyItem } from "./assembly.js";
import type { DebugFacts } from "./debug_facts.js";

/** All that the compiler made of one function: itself, clones, cold parts. */
export interface FunctionGroup {
  readonly name: string;
  readonly static: boolean;
  /** It has an out-of-line copy under exactly this name. */
  readonly symbol: boolean;
  readonly clones: readonly string[];
  readonly text: string;
  /** Plain symbols, with the suffixes of static locals. */
  readonly references: ReadonlySet<string>;
}

export interface DataItem {
  readonly item: AssemblyItem;
  readonly name: string;
  /** Of a static local. */
  readonly function: string | null;
}

export function groupFunctions(items: readonly AssemblyItem[]): ReadonlyMap<string, FunctionGroup> {
  const parts = new Map<string, AssemblyItem[]>();
  for (const item of items) {
    if (item.kind !== "function") continue;
    const name = plainName(item.symbol);
    const known = parts.get(name);
    if (known === undefined) parts.set(name, [item]);
    else known.push(item);
  }
  return new Map([...parts].map(([name, group]) => [name, groupOf(name, group)]));
}

function groupOf(name: string, parts: readonly AssemblyItem[]): FunctionGroup {
  const own = parts.find((part) => part.symbol === name);
  // Numbers of clones change with what stands before them.
  const texts = parts.map((part) => `${part.symbol.replace(/\.\d+/g, "")}:\n${part.text}`);
  return {
    name,
    static: (own ?? parts[0])?.static ?? true,
    symbol: own !== undefined,
    clones: parts.map((part) => part.symbol).filter((symbol) => symbol !== name),
    text: texts.toSorted().join("\n"),
    references: new Set(parts.flatMap((part) => [...part.references])),
  };
}

/** True if it calls or is a clone, whose parameters another version may have made otherwise. */
export function touchesClones(group: FunctionGroup): boolean {
  return group.clones.some(isClone) || /\.(isra|constprop|part)\b/.test(group.text);
}

/**
 * Objects with the function that a static local belongs to: at -O0 without inlining only that
 * function names it.
 */
export function dataOf(items: readonly AssemblyItem[]): readonly DataItem[] {
  const functions = items.filter((item) => item.kind === "function");
  return items.flatMap((item): readonly DataItem[] => {
    if (item.kind !== "object") return [];
    const name = plainName(item.symbol);
    const local = name !== item.symbol;
    const owner = local ? functions.find((one) => one.references.has(item.symbol)) : undefined;
    return [{ item, name, function: owner === undefined ? null : plainName(owner.symbol) }];
  });
}

/** What the symbol table of a program has of this unit, and what the compiler left out of it. */
export function unitSymbols(
  meaning: readonly AssemblyItem[],
  binary: readonly AssemblyItem[],
  facts: DebugFacts,
): UnitSymbols {
  const built = groupFunctions(binary);
  const meant = groupFunctions(meaning);
  const names = new Set([...meant.keys(), ...built.keys()]);
  const functions = [...names].toSorted().map((name): FunctionSymbol => {
    const group = built.get(name);
    return {
      name,
      static: (group ?? meant.get(name))?.static ?? true,
      symbol: group?.symbol ?? false,
      clones: group?.clones ?? [],
    };
  });
  const data = binary.flatMap((item): readonly DataSymbol[] => {
    if (item.kind !== "object") return [];
    const name = plainName(item.symbol);
    const owner = name === item.symbol ? null : facts.ownerOf(item.symbol, name, [...names]);
    return [
      {
        name,
        symbol: item.symbol,
        static: item.static,
        function: owner,
        size: item.size,
        readOnly: item.readOnly,
      },
    ];
  });
  return { functions, data };
}

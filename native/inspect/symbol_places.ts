/** What stands at an address of a process: by the symbols of its modules and by its own record. */
import { addon } from "../addon/addon.js";
import { address, type Address } from "../address.js";
import { Arena, arenaHead, hooksPerArena, planesPerArena } from "../hooks/arena.js";
import type { SymbolPlace } from "../inspection.js";
import type { TargetProcess } from "../session/target_process.js";

/** Replaced functions, stubs and dispatch chains, by what the process's record says. */
function ownPlaceAt(target: TargetProcess, at: bigint): SymbolPlace | null {
  if (target.control === null) return null;
  const record = target.record();
  for (const update of record.updates) {
    for (const patch of update.patches) {
      for (const f of patch.functions) {
        const hook = record.hooks[f.hook];
        if (hook === undefined || at < f.target || at >= f.target + BigInt(f.size)) continue;
        return {
          name: `${hook.function} (patch ${patch.name})`,
          offset: Number(at - f.target),
          kind: "function",
          module: record.arenas[hook.arena]?.module ?? "",
        };
      }
    }
  }
  const number = record.arenas.findIndex(
    ({ base }) => at >= base - arenaHead && at < base + BigInt(planesPerArena) * 0x10000n,
  );
  const arena = record.arenas[number];
  if (arena === undefined) return null;
  const shape = new Arena(arena.base);
  // Stubs and chains have a cell of one size for each hook.
  const cell = shape.stub(1) - shape.stub(0);
  const start = at < arena.base ? shape.stub(0) : arena.base;
  const inPlane = at < start ? -1n : (at - start) % (BigInt(hooksPerArena) * cell);
  const hook = record.hooks.find((h) => h.arena === number && BigInt(h.index) === inPlane / cell);
  if (inPlane < 0n || hook === undefined) return null;
  return {
    name: `${hook.function} (${at < arena.base ? "entry" : "dispatch"})`,
    offset: Number(inPlane % cell),
    kind: "function",
    module: arena.module,
  };
}

/** Symbol that covers the address, our own code included; `null` where nothing known stands. */
export function symbolAt(target: TargetProcess, at: Address): SymbolPlace | null {
  const module = target.modules.find((m) => at >= m.info.start && at < m.info.end);
  if (module === undefined) return ownPlaceAt(target, at);
  const symbol = addon.symbolAt(module.handle, at);
  if (symbol === null || symbol.kind === "tls") return null;
  const isCode = module.info.text.some(({ start, end }) => at >= start && at < end);
  return {
    name: symbol.name,
    offset: Number(at - address(symbol.address)),
    kind: isCode ? "function" : "variable",
    module: module.path,
  };
}

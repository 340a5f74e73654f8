/**
 * The functions of the C library that the runtime stands in for as long as the process lives: `polus_hooks`
 * of polus_runtime.h. They belong to no update: at every value of the selector they lead to the runtime.
 */
import type { PatchObject } from "../addon/addon.js";
import { EngineError } from "../engine.js";
import { libraryIsNamed, type LoadedModule } from "../process/modules.js";
import { findFunction, type FoundFunction } from "../resolve/functions.js";
import type { HookPlanner } from "../session/hook_plan.js";

/** `struct polus_hook`, in bytes. */
export const hookLayout = {
  size: 56,
  nameSize: 24,
  hook: 24,
  previous: 32,
  flags: 40,
  unless: 44,
  door: 48,
} as const;
const flags = { needed: 1, alternative: 2, called: 4, idle: 8 } as const;
/** A level below all others: the selector is never less. */
const always = 0;
const libraryName = "libc.so.6";

function cName(bytes: Buffer): string {
  const end = bytes.indexOf(0);
  return bytes.subarray(0, end < 0 ? bytes.length : end).toString("latin1");
}

/** A function of the C library, or of the program itself where that is linked with all that it needs. */
function inLibrary(modules: readonly LoadedModule[], name: string): FoundFunction {
  const isShared = modules.some((m) => libraryIsNamed(m, libraryName));
  return findFunction(
    modules,
    isShared
      ? { function: name, scope: { kind: "library", name: libraryName } }
      : { function: name },
  );
}

/**
 * Plans the redirections of a runtime that is to be loaded at `base`, and puts into its table what calls
 * the functions as they were.
 * @throws EngineError refused: one that is needed is not there, or cannot be hooked
 */
export function planLibraryHooks(
  modules: readonly LoadedModule[],
  object: PatchObject,
  base: bigint,
  hooks: HookPlanner,
): void {
  const symbol = object.symbols.find((s) => s.defined && s.name === "polus_hooks");
  const start = base + (symbol?.address ?? 0n);
  const image = hooks.writes.find(
    ({ address, bytes }) => start >= address && start < address + BigInt(bytes.length),
  );
  if (symbol === undefined || image === undefined) throw new Error("the runtime has no hooks");
  const table = image.bytes.subarray(Number(start - image.address)).subarray(0, symbol.size);
  let isThere = false;
  for (let at = 0; at + hookLayout.size <= table.length; at += hookLayout.size) {
    const entry = table.subarray(at, at + hookLayout.size);
    const name = cName(entry.subarray(0, hookLayout.nameSize));
    const how = entry.readUInt32LE(hookLayout.flags);
    const unless = (how & flags.idle) === 0 ? null : entry.readUInt32LE(hookLayout.unless);
    if (name === "" || ((how & flags.alternative) !== 0 && isThere)) continue;
    try {
      const found = inLibrary(modules, name);
      let previous = found.address;
      if ((how & flags.called) === 0) {
        const number = hooks.redirect(
          found,
          always,
          entry.readBigUInt64LE(hookLayout.hook),
          unless,
        );
        previous = hooks.originalOf(number);
        entry.writeBigUInt64LE(hooks.doorOf(number) ?? 0n, hookLayout.door);
      }
      entry.writeBigUInt64LE(previous, hookLayout.previous);
      isThere = true;
    } catch (error) {
      isThere = false;
      if (!(error instanceof EngineError)) throw error;
      if ((how & flags.needed) !== 0 && !hasAlternative(table, at)) throw error;
    }
  }
}

/** True if the entry behind one is for where that one is not there. */
function hasAlternative(table: Buffer, at: number): boolean {
  const next = at + hookLayout.size + hookLayout.flags;
  return next + 8 <= table.length && (table.readUInt32LE(next) & flags.alternative) !== 0;
}

/**
 * Callers that rely on the old version of a function leaving registers alone. gcc -O2 lets a
 * caller keep values in registers that the ABI gives to the callee where it has compiled both
 * and seen that the callee does not touch them (-fipa-ra). The new version must not either:
 * such a caller, which may be on a stack and never return, would go on with wrong values.
 *
 * Replacing the caller as well does not help: its old version may be in a loop that calls
 * again and again. So only what the new version does counts: its own code, or the word of its
 * author (POLUS_KEEPS_REGISTERS in polus.h).
 */
import { statSync } from "node:fs";
import { addon, type KeptAcross, type PatchObject } from "../addon/addon.js";
import { EngineError } from "../engine.js";
import { codeOf, messageOf, type LoadedModule } from "../process/modules.js";
import type { FoundFunction } from "../resolve/functions.js";

/** A function and what is to take its place. */
export interface ExchangedFunction {
  readonly found: FoundFunction;
  readonly object: PatchObject;
  /** Of the patch object. */
  readonly bytes: Uint8Array;
  /** Name of the new function in the patch. */
  readonly name: string;
}

/** A function of a patch that keeps registers around a call of another one. */
interface Keeper {
  readonly symbol: string;
  /** Registers that it does not keep; `ymm` and `zmm` stand for all upper parts. */
  readonly except: ReadonlySet<string>;
}

const keeperLine = /^!keeps ([^=\s]+)=(\S+) except ?(.*)$/;

function keeperOf(object: PatchObject, name: string): Keeper | null {
  for (const line of object.replaceTable) {
    const [, of, symbol, except] = keeperLine.exec(line) ?? [];
    if (of === name && symbol !== undefined && except !== undefined)
      return { symbol, except: new Set(except.split(" ")) };
  }
  return null;
}

/** Symbol in the patch that calls of the old function are to reach: `name`, or what keeps registers around it. */
export function entrySymbol(object: PatchObject, name: string): string {
  return keeperOf(object, name)?.symbol ?? name;
}

/** Registers of `kept` that a call of the new function changes or may change. */
function changed(kept: readonly string[], one: ExchangedFunction): readonly string[] {
  const keeper = keeperOf(one.object, one.name);
  if (keeper !== null) {
    // What the wider registers are not saved for has no k0 and no xmm16 either.
    const narrow = keeper.except.has("zmm");
    return kept.filter(
      (register) =>
        keeper.except.has(register) ||
        keeper.except.has(register.slice(0, 3)) ||
        (narrow && (/^k\d/.test(register) || /mm(1[6-9]|[23]\d)$/.test(register))),
    );
  }
  const symbol = one.object.symbols.find((s) => s.defined && s.name === one.name);
  const written = symbol === undefined ? null : addon.writtenRegisters(one.bytes, symbol.address);
  if (written === null) return kept;
  const whole = (register: string): string => register.replace(/^[xyz]mm/, "mm");
  const all = new Set(written.map(whole));
  return kept.filter((register) => all.has(whole(register)));
}

/** Callers, by the function's address; all addresses as the files have them. */
type Results = Map<bigint, readonly KeptAcross[]>;

/** The files of `module` and all others, as far as they can be told from others; null: they cannot. */
function identityOf(module: LoadedModule, modules: readonly LoadedModule[]): string | null {
  try {
    return [module, ...modules]
      .map(({ info }) => {
        const { dev, ino, size, mtimeNs } = statSync(info.path, { bigint: true });
        return `${dev}:${ino}:${size}:${mtimeNs}`;
      })
      .join(" ");
  } catch {
    return null;
  }
}

/** So many sets of files are remembered: of those that a watch updates. */
const mostRemembered = 16;
/**
 * What the files say does not change, wherever they are loaded. The search takes longer than all the rest of
 * an update, and a watch makes it for the same program again and again, which waits at its start.
 */
const remembered = new Map<string, Results>();

function resultsOf(module: LoadedModule, modules: readonly LoadedModule[]): Results {
  const identity = identityOf(module, modules);
  const results: Results = (identity === null ? null : remembered.get(identity)) ?? new Map();
  if (identity === null) return results;
  // The newest last.
  remembered.delete(identity);
  remembered.set(identity, results);
  for (const oldest of remembered.keys()) {
    if (remembered.size <= mostRemembered) break;
    remembered.delete(oldest);
  }
  return results;
}

function moved(hit: KeptAcross, by: bigint): KeptAcross {
  return {
    ...hit,
    function: hit.function + by,
    callee: hit.callee + by,
    from: hit.from + by,
    caller: hit.caller + by,
  };
}

function callersKeeping(
  module: LoadedModule,
  functions: readonly bigint[],
  modules: readonly LoadedModule[],
): readonly KeptAcross[] {
  const { bias } = module.info;
  const results = resultsOf(module, modules);
  const missing = functions.filter((address) => !results.has(address - bias));
  if (missing.length > 0) {
    const hits = search(module, missing, modules);
    for (const address of missing)
      results.set(
        address - bias,
        hits.filter((hit) => hit.function === address).map((hit) => moved(hit, -bias)),
      );
  }
  return functions
    .flatMap((address) => results.get(address - bias) ?? [])
    .map((hit) => moved(hit, bias));
}

function search(
  module: LoadedModule,
  functions: readonly bigint[],
  modules: readonly LoadedModule[],
): readonly KeptAcross[] {
  try {
    return addon.callersKeeping(
      module.handle,
      functions,
      modules.filter((m) => m !== module).map((m) => m.handle),
    );
  } catch (error) {
    if (codeOf(error) !== "TOO_COMPLEX") throw error;
    const name = addon.symbolAt(module.handle, functions[0] ?? 0n)?.name ?? "a function";
    throw new EngineError(
      "CALLER_KEEPS_REGISTERS",
      "refused",
      `whether callers of ${name} keep values in registers cannot be told: ${messageOf(error)}`,
      { subject: name },
    );
  }
}

/** At most three callers by name, and how many more there are. */
function namesOf(module: LoadedModule, callers: readonly bigint[]): string {
  const names = [...new Set(callers)].map(
    (address) => addon.symbolAt(module.handle, address)?.name ?? `0x${address.toString(16)}`,
  );
  const more = names.length - 3;
  return more > 0 ? `${names.slice(0, 3).join(", ")} and ${more} more` : names.join(", ");
}

/**
 * Refuses functions whose callers keep registers across a call that the new version changes.
 * @param modules all of the process in the loader's order, to look up what callers call next
 * @throws EngineError refused CALLER_KEEPS_REGISTERS
 */
export function checkKeptRegisters(
  exchanged: readonly ExchangedFunction[],
  modules: readonly LoadedModule[],
): void {
  for (const module of new Set(exchanged.map((one) => one.found.module))) {
    const here = exchanged.filter((one) => one.found.module === module);
    const addresses = [...new Set(here.map((one) => one.found.address))];
    const kept = callersKeeping(module, addresses, modules);
    for (const one of here) {
      const broken = kept
        .filter((hit) => hit.function === one.found.address)
        .map((hit) => ({ hit, registers: changed(hit.registers, one) }))
        .filter(({ registers }) => registers.length > 0);
      if (broken.length === 0) continue;
      const callers = namesOf(
        module,
        broken.map(({ hit }) => hit.caller),
      );
      const registers = [...new Set(broken.flatMap((b) => b.registers))].join(", ");
      throw new EngineError(
        "CALLER_KEEPS_REGISTERS",
        "refused",
        `callers of ${one.found.name} (${callers}) keep values in ${registers}, which its old version leaves alone and the new one may change`,
        {
          subject: one.found.name,
          help: `declare the new function with POLUS_KEEPS_REGISTERS(${one.name}) from polus.h; replacing the callers too is not enough, since their old versions may still be running`,
        },
      );
    }
  }
}

/** Programs that have symbols of every kind, and what nm says of them. */
import { addon, type ElfSymbol, type ModuleHandle } from "../../native/addon/addon.js";
import { targetSource } from "./repository.js";
import { build, runTool } from "./toolchain.js";

export const sources = ["elf/symbols_one.c", "elf/symbols_two.c"].map(targetSource);
export const commonFlags = ["-std=gnu11", "-O1", "-g"];
/** Where those that can be loaded anywhere are taken to be. */
export const loadAddress = 0x5555_0000_0000n;

/** Builds the program with such flags besides. */
export function program(...flags: string[]): string {
  return build({ name: "symbols", sources, flags: [...commonFlags, ...flags] });
}

export const pie = program("-fPIE", "-pie", "-rdynamic");
export const fixed = program("-fno-pie", "-no-pie");

export function open(path: string, root?: string): ModuleHandle {
  const base = path === fixed ? 0x400000n : loadAddress;
  return addon.openModule(path, { loadAddress: base, ...(root === undefined ? {} : { root }) });
}

/** Waits until a file that has just been written is old enough to be kept once it is read. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 3_000));
}

/** The one symbol that was found. */
export function only(symbols: readonly ElfSymbol[]): ElfSymbol {
  const [symbol, ...more] = symbols;
  if (symbol === undefined || more.length > 0) throw new Error(JSON.stringify(symbols.length));
  return symbol;
}

/** Every defined symbol as nm lists it: name, link-time address, letter. */
export function listed(path: string): { name: string; address: bigint; letter: string }[] {
  return runTool("nm", ["--defined-only", path])
    .split("\n")
    .flatMap((line) => {
      const [, address, letter, name] = /^([0-9a-f]+) (\S) (\S+)$/.exec(line) ?? [];
      if (address === undefined || letter === undefined || name === undefined) return [];
      return [{ name, address: BigInt(`0x${address}`), letter }];
    });
}

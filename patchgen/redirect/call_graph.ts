/** Who calls whom in one version of a unit, as the source says it and as the program does it. */
import { isClone, plainName } from "../detect/assembly.js";
import type { FunctionGroup } from "../detect/unit_symbols.js";

export type Groups = ReadonlyMap<string, FunctionGroup>;

/** Groups that name a symbol of `name` for which `which` holds. */
function naming(groups: Groups, name: string, which: (symbol: string) => boolean): FunctionGroup[] {
  return [...groups.values()].filter(
    (group) =>
      group.name !== name &&
      [...group.references].some((symbol) => plainName(symbol) === name && which(symbol)),
  );
}

/** Functions whose code calls a clone of `name` (`.isra`, `.constprop`, `.part`). */
export function callersOfClones(code: Groups, name: string): readonly FunctionGroup[] {
  return naming(code, name, isClone);
}

/** Functions whose code calls or names `name` itself or a clone of it. */
export function callsIt(caller: FunctionGroup, name: string): boolean {
  return [...caller.references].some((symbol) => plainName(symbol) === name);
}

/**
 * Functions with code of their own into which `name` is inlined, through others that are inlined
 * everywhere: the source calls it, the code does not.
 */
export function hostsOf(meaning: Groups, code: Groups, name: string): ReadonlySet<string> {
  const hosts = new Set<string>();
  const seen = new Set([name]);
  const inlined = [name];
  for (let at = 0; at < inlined.length; at++) {
    for (const caller of naming(meaning, inlined[at] ?? "", () => true)) {
      if (seen.has(caller.name)) continue;
      const built = code.get(caller.name);
      if (built !== undefined && callsIt(built, inlined[at] ?? "")) continue;
      seen.add(caller.name);
      if (built !== undefined) hosts.add(caller.name);
      // It may itself be inlined elsewhere, whether or not it has a copy of its own.
      inlined.push(caller.name);
    }
  }
  return hosts;
}

/** True if the code has no way out but the end of the process, or is the program's own main function. */
export function mayNeverReturn(group: FunctionGroup): boolean {
  if (group.name === "main") return true;
  return !/^\s*(rep[z]? )?ret[q]?\b/m.test(group.text) && !/^\s*jmp\s+[^.*\s]/m.test(group.text);
}

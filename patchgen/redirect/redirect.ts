/** Which functions of the running binary get a new version, and what no redirection reaches. */
import { readAssembly } from "../detect/assembly.js";
import type { Compilations } from "../detect/compilations.js";
import type { PlacedUnit } from "../detect/unit_build.js";
import { groupFunctions } from "../detect/unit_symbols.js";
import type {
  Detection,
  FunctionChange,
  Reason,
  Redirection,
  RedirectPlan,
  Tree,
  Unreached,
  UnitChange,
} from "../model.js";
import { callersOfClones, callsIt, hostsOf, mayNeverReturn, type Groups } from "./call_graph.js";
import type { RunningBinary } from "./running_binary.js";

/** Callers that know what a callee leaves alone are otherwise without these. */
const knowNothing = ["-fno-ipa-ra", "-fno-ipa-stack-alignment"];

export interface RedirectRequest {
  readonly detection: Detection;
  /** The file that runs, or its unstripped build. */
  readonly binary: RunningBinary;
  readonly compilations: Compilations;
}

/**
 * @throws PatchgenError NOT_THE_BINARY, NO_COMPILER, DOES_NOT_COMPILE
 */
export async function planRedirections(request: RedirectRequest): Promise<RedirectPlan> {
  const { detection, binary, compilations } = request;
  await binary.requireMatch(detection.old, detection.units, compilations);
  const plans = await Promise.all(
    detection.units.map((unit) => planUnit(detection.old, unit, binary, compilations)),
  );
  return {
    redirections: plans.flatMap((plan) => plan.redirections),
    unreached: plans.flatMap((plan) => plan.unreached),
  };
}

interface OldUnit {
  readonly meaning: Groups;
  readonly code: Groups;
  /** Functions that rely on what their callees leave alone. */
  readonly relying: ReadonlySet<string>;
}

async function planUnit(
  tree: Tree,
  change: UnitChange,
  binary: RunningBinary,
  compilations: Compilations,
): Promise<RedirectPlan> {
  if (change.old === null) return { redirections: [], unreached: [] };
  const old = await readOld(tree, change, compilations);
  const wanted = reasonsByFunction(change, old);
  const redirections: Redirection[] = [];
  const unreached: Unreached[] = [];
  const taken = new Set<bigint>();
  for (const [name, reasons] of [...wanted].toSorted(([left], [right]) =>
    left < right ? -1 : 1,
  )) {
    const group = old.code.get(name);
    if (group?.symbol !== true) {
      unreached.push(...unreachedCopy(change, name, old));
      continue;
    }
    const symbol = binary.symbols(name, change.source)[0];
    // The linker dropped it: nothing calls it.
    if (symbol === undefined) continue;
    const { source } = change;
    if (!binary.hasRoom(symbol)) unreached.push(noRoom(source, name));
    // An alias has the place of what it stands for.
    else if (!taken.has(symbol.address)) {
      taken.add(symbol.address);
      redirections.push({ source, name, symbol: name, static: group.static, reasons });
    }
    if (mayNeverReturn(group)) unreached.push(...endless(source, name, reasons));
  }
  return { redirections, unreached };
}

async function readOld(
  tree: Tree,
  change: UnitChange,
  compilations: Compilations,
): Promise<OldUnit> {
  const unit = change.old;
  if (unit === null) return { meaning: new Map(), code: new Map(), relying: new Set() };
  const placed = { root: tree.root, unit };
  const [build, ignorant] = await Promise.all([
    compilations.build(placed),
    compileIgnorant(compilations, placed),
  ]);
  const code = groupFunctions(build.binary);
  const without = ignorant === null ? code : groupFunctions(readAssembly(ignorant, unit.source));
  const relying = [...code.values()].filter((one) => without.get(one.name)?.text !== one.text);
  return {
    meaning: groupFunctions(build.meaning),
    code,
    relying: new Set(relying.map((one) => one.name)),
  };
}

/** `null`: a compiler without these optimisations, so that nothing relies on them. */
async function compileIgnorant(
  compilations: Compilations,
  placed: PlacedUnit,
): Promise<string | null> {
  if (/clang/.test(placed.unit.arguments[0] ?? "")) return null;
  return compilations.code(placed, knowNothing);
}

/** Changed functions and all whose old code holds or relies on theirs, each with why. */
function reasonsByFunction(
  change: UnitChange,
  old: OldUnit,
): ReadonlyMap<string, readonly Reason[]> {
  const found = new Map<string, Reason[]>();
  const changed = change.functions.filter((one) => one.how === "changed");
  for (const one of changed) found.set(one.name, [...one.reasons]);
  const give = (name: string, reason: Reason): void => {
    const reasons = found.get(name) ?? [];
    if (reasons.some((one) => one.kind === reason.kind && one.of === reason.of)) return;
    found.set(name, [...reasons, reason]);
  };
  for (const one of changed) {
    for (const host of hostsOf(old.meaning, old.code, one.name)) {
      // A host whose code is the same in the new version holds nothing that changed.
      if (hasOtherCode(change.functions, host)) give(host, { kind: "hosts-inline", of: one.name });
    }
  }
  // Whoever is redirected has callers of its own: until there are no more.
  const toDo = [...found.keys()];
  for (let name = toDo.pop(); name !== undefined; name = toDo.pop()) {
    const of = name;
    const add = (caller: string, kind: Reason["kind"]): void => {
      if (!found.has(caller)) toDo.push(caller);
      give(caller, { kind, of });
    };
    // A new version is reached by the function's own symbol only, never by a clone's.
    for (const caller of callersOfClones(old.code, of)) add(caller.name, "calls-clone");
    for (const caller of old.code.values()) {
      const relies = caller.name !== of && old.relying.has(caller.name) && callsIt(caller, of);
      if (relies) add(caller.name, "relies-on-callee");
    }
  }
  return found;
}

function hasOtherCode(functions: readonly FunctionChange[], name: string): boolean {
  return functions.some((one) => one.name === name && one.how === "changed");
}

/** A function without a symbol is reached through those that hold it; someone must. */
function unreachedCopy(change: UnitChange, name: string, old: OldUnit): readonly Unreached[] {
  const called = [...old.meaning.values()].some((one) => one.name !== name && callsIt(one, name));
  const hosts = hostsOf(old.meaning, old.code, name);
  const code = old.code.get(name);
  if (!called || hosts.size > 0) return [];
  if (code !== undefined && callersOfClones(old.code, name).length > 0) return [];
  return [
    {
      source: change.source,
      name,
      why: "no-symbol",
      host: null,
      help: "build the program with -fno-inline-functions-called-once, so that the function keeps a copy of its own",
    },
  ];
}

function noRoom(source: string, name: string): Unreached {
  return {
    source,
    name,
    why: "no-room",
    host: null,
    help: `its code is shorter than a jump: build the program with -fpatchable-function-entry or -falign-functions=16, or patch its callers by hand`,
  };
}

/** What goes on in its old version for as long as the host runs: the host itself, and what it holds. */
function endless(source: string, host: string, reasons: readonly Reason[]): readonly Unreached[] {
  const own = reasons.some(({ kind }) => kind === "body" || kind === "refers-to-data");
  const held = reasons.flatMap(({ kind, of }) =>
    kind === "hosts-inline" && of !== undefined ? [of] : [],
  );
  const help = `${host} was entered before the update and may never return: processes that enter it later run the new version; in this one only what it calls out of line is reached`;
  return [...(own ? [host] : []), ...held].map((name) => ({
    ...{ source, name, why: "endless-host" as const, host, help },
  }));
}

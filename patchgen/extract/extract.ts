/** Makes the patch's C files of what was detected. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type {
  Detection,
  RedirectPlan,
  TranslationUnit,
  UnitChange,
  UnitSymbols,
} from "../model.js";
import { labelOf, type Fate } from "./fate.js";
import { decideFates, type Fates } from "./fates.js";
import type { Item } from "./items.js";
import { globalLabel, identifierLabel, staticLabel } from "./labels.js";
import { preprocess } from "./preprocess.js";
import type { ProgramSymbols } from "./program_symbols.js";
import { rewrite } from "./rewrite.js";
import { isName } from "./token_walk.js";
import { hasRegisterArguments, ObjectTypes, type FunctionPointers } from "./object_pointers.js";
import { Unit } from "./unit.js";
import {
  objectsHead,
  objectsOfUnits,
  type PatchObjects,
  type UnitObjects,
} from "./unit_objects.js";

export interface ExtractRequest {
  readonly detection: Detection;
  readonly plan: RedirectPlan;
  readonly program: ProgramSymbols;
  /** Number of the version that the patch leads to; the program as it was built is 1. */
  readonly version: number;
  /** Variables that the patch holds anew, and the names by which its data items call them. */
  readonly carried: readonly CarriedSymbol[];
  readonly objects: PatchObjects;
  readonly cancel: AbortSignal;
  /** Told before each unit. */
  readonly progress?: (done: number, all: number, source: string) => void;
}

export interface CarriedSymbol {
  readonly source: string;
  readonly name: string;
  /** The function whose static local it is. */
  readonly function: string | null;
  readonly as: string;
  /** Bytes. */
  readonly size: number;
}

/** A function of the program that the patch replaces. */
export interface Replacement {
  readonly name: string;
  /** A static function's file, as labels name it. */
  readonly file: string | null;
  readonly as: string;
}

export interface ExtractedUnit {
  readonly unit: TranslationUnit;
  readonly text: string;
  readonly replacements: readonly Replacement[];
  /** Labels of what the patch defines for later ones, functions and data. */
  readonly defines: readonly string[];
  /** Functions whose body is in the patch since the program has none to call. */
  readonly copies: readonly string[];
  /** Static variables (`f::v`) that begin anew. */
  readonly anew: readonly string[];
  /** Statics that headers define: the patch has its own. */
  readonly headerData: readonly string[];
}

interface Decided {
  readonly translation: TranslationUnit;
  readonly unit: Unit;
  readonly fates: Fates;
  readonly oldSymbols: UnitSymbols;
}

const nothing: UnitSymbols = { functions: [], data: [] };

/**
 * Extracts every unit that has a redirected function or something new.
 * @throws PatchgenError NO_COMPILER, DOES_NOT_COMPILE
 */
export async function extract(request: ExtractRequest): Promise<readonly ExtractedUnit[]> {
  const { program } = request;
  const names = newNames(request);
  const loaded = await loadUnits(request, names);
  const decided = loaded.map(({ translation, unit, oldSymbols, callers }): Decided => {
    const fates = decideFates({ unit, ...callers, program, oldSymbols });
    return { translation, unit, fates, oldSymbols };
  });
  const added = new Set(decided.flatMap(keptGlobals));
  const objects = objectsOfUnits(decided, request.objects);
  return decided.flatMap((one, at) => {
    const own = objects[at];
    return (own === undefined ? null : textOf(one, added, own, request)) ?? [];
  });
}

interface Loaded {
  readonly translation: TranslationUnit;
  readonly unit: Unit;
  readonly change: UnitChange | null;
  readonly oldSymbols: UnitSymbols;
  callers: Callers;
}

/**
 * Reads the units that the patch takes something from: those that differ, and those that call
 * what only an earlier patch has an old version of.
 */
async function loadUnits(
  request: ExtractRequest,
  names: ReadonlyMap<string, ReadonlyMap<string, string>>,
): Promise<readonly Loaded[]> {
  const { detection, plan, program, cancel } = request;
  const loaded = new Map<string, Loaded>();
  const entryless = new Set(
    detection.units.flatMap(({ functions }) =>
      functions
        .filter(({ how, name, static: local }) => how === "changed" && !local && held(name))
        .map(({ name }) => name),
    ),
  );
  function held(name: string): boolean {
    return program.isHeld(globalLabel(name));
  }
  let toRead = unitsToExtract(detection, plan);
  for (;;) {
    for (const [at, translation] of toRead.entries()) {
      request.progress?.(at, toRead.length, translation.source);
      const change = detection.units.find(({ source }) => source === translation.source) ?? null;
      const preprocessed = await preprocess(detection.new.root, translation, cancel);
      const unit = new Unit(translation.source, preprocessed, change);
      const oldSymbols = change?.oldSymbols ?? nothing;
      const callers = { redirected: new Map<string, string>(), renewed: new Set<string>() };
      loaded.set(translation.source, { translation, unit, change, oldSymbols, callers });
    }
    const before = entryless.size;
    for (const one of loaded.values()) {
      const given = names.get(one.translation.source) ?? new Map<string, string>();
      one.callers = withCallers(one.unit, one.change, given, entryless, request);
      for (const name of one.callers.renewed) if (!one.unit.isStatic(name)) entryless.add(name);
    }
    toRead = detection.new.units.filter(
      (translation) =>
        !loaded.has(translation.source) && mentions(detection.new.root, translation, entryless),
    );
    if (toRead.length === 0 && entryless.size === before) break;
  }
  const order = detection.new.units.map(({ source }) => source);
  return order.flatMap((source) => loaded.get(source) ?? []);
}

function mentions(root: string, { source }: TranslationUnit, names: ReadonlySet<string>): boolean {
  if (names.size === 0) return false;
  const words = readFileSync(join(root, source), "latin1").match(/[A-Za-z_]\w*/g) ?? [];
  return words.some((word) => names.has(word));
}

/** Of the new tree: what has redirected functions, new objects, or data of a new layout. */
function unitsToExtract(detection: Detection, plan: RedirectPlan): readonly TranslationUnit[] {
  const wanted = new Set(plan.redirections.map(({ source }) => source));
  for (const { source, functions, data } of detection.units) {
    const isNew = ({ how, static: local }: { how: string; static: boolean }): boolean =>
      (how === "added" && !local) || how === "layout" || how === "grown";
    const isChanged = functions.some(({ how }) => how === "changed");
    if (isChanged || functions.some(isNew) || data.some(isNew)) wanted.add(source);
  }
  return detection.new.units.filter(({ source }) => wanted.has(source));
}

/** The name of each new version: by number, and by file where two files have the same. */
function newNames({ plan, version }: ExtractRequest): Map<string, Map<string, string>> {
  const names = new Map<string, Map<string, string>>();
  const count = new Map<string, number>();
  const whole = plan.redirections.filter(({ name, symbol }) => name === symbol);
  for (const { name } of whole) count.set(name, (count.get(name) ?? 0) + 1);
  for (const { source, name } of whole) {
    const file = source.replace(/\.[^./]*$/, "").replace(/\W/g, "_");
    const own = (count.get(name) ?? 0) > 1 ? `_${file}` : "";
    const unit = names.get(source) ?? new Map<string, string>();
    unit.set(name, `${name}__polus${version}${own}`);
    names.set(source, unit);
  }
  return names;
}

interface Callers {
  /** Functions of the unit that get a new version, with the name of its definition. */
  readonly redirected: ReadonlyMap<string, string>;
  /** Those of the unit that have no entry and must be in the patch all the same. */
  readonly renewed: ReadonlySet<string>;
}

/**
 * Adds who refers to changed functions that have no entry in the running program: they are
 * inlined, or an earlier patch's own, of this unit or another (`entryless`).
 */
function withCallers(
  unit: Unit,
  change: UnitChange | null,
  given: ReadonlyMap<string, string>,
  entryless: ReadonlySet<string>,
  { program, version }: ExtractRequest,
): Callers {
  const redirected = new Map(given);
  const renewed = new Set<string>();
  const file = program.file(unit.name);
  const hasEntry = (name: string): boolean => {
    const isStatic = unit.isStatic(name);
    if (program.isHeld(labelOf({ name, file: isStatic ? file : null }))) return false;
    return isStatic ? program.hasStatic(name, unit.name) : program.hasGlobal(name);
  };
  const own = (change?.functions ?? [])
    .filter(({ how, name }) => how === "changed" && !hasEntry(name))
    .map(({ name }) => name);
  const queue = [...new Set([...own, ...entryless])];
  const seen = new Set(queue);
  for (let name = queue.pop(); name !== undefined; name = queue.pop()) {
    redirected.delete(name);
    if (unit.functions.has(name)) renewed.add(name);
    for (const [caller, { item }] of unit.functions) {
      if (seen.has(caller) || !unit.namesIn(item.body ?? item.last, item.last).has(name)) continue;
      seen.add(caller);
      if (hasEntry(caller)) {
        if (!redirected.has(caller)) redirected.set(caller, `${caller}__polus${version}`);
      } else queue.push(caller);
    }
  }
  return { redirected, renewed };
}

function keptGlobals({ unit, fates }: Decided): readonly string[] {
  return [...fates.names]
    .filter(([name, fate]) => fate.kind === "keep" && !unit.isStatic(name))
    .map(([name]) => name);
}

function textOf(
  decided: Decided,
  added: ReadonlySet<string>,
  objects: UnitObjects,
  request: ExtractRequest,
): ExtractedUnit | null {
  const { translation, unit, fates, oldSymbols } = decided;
  const sizeOf = (name: string, host: string | null): number | null =>
    oldSymbols.data.find((d) => d.name === name && d.function === host)?.size ?? null;
  const replacements = [...fates.names].flatMap(([name, fate]): readonly Replacement[] =>
    fate.kind === "replace"
      ? [
          {
            name,
            file: fate.of.file,
            as: objects.entries.has(name) ? (objects.own.get(name)?.entry ?? fate.as) : fate.as,
          },
        ]
      : [],
  );
  const held = [...fates.names].filter(([, fate]) => fate.kind === "keep");
  if (replacements.length === 0 && held.length === 0) return null;
  const kept = keptRegisters(unit, replacements, request);
  const body = rewrite(unit, fates, sizeOf, { ...objects, kept: new Set(kept.keys()) });
  const head = pragmas(decided, added, request.program) + objectsHead(body, objects);
  const tail = exportsOf(fates) + carriedSymbols(decided, request) + keptRegistersText(kept);
  return {
    unit: translation,
    text: `${heading(translation.source, request.version)}${head}\n${body.trim()}\n${tail}`,
    replacements,
    defines: definesOf(unit, fates),
    copies: held
      .filter(([name, fate]) => fate.kind === "keep" && fate.label === null && unit.isStatic(name))
      .map(([name]) => name)
      .filter((name) => unit.functions.has(name)),
    anew: fates.anew,
    headerData: headerData(unit, fates),
  };
}

function heading(source: string, version: number): string {
  return (
    `/* ${source}, version ${version}: what differs from the running program, and what that needs.\n` +
    "   Constructed by polus patchgen. Change what you like: `polus build` compiles it. */\n"
  );
}

function definesOf(unit: Unit, fates: Fates): readonly string[] {
  const own = [...fates.names].flatMap(([name, fate]) => {
    if (fate.kind !== "keep") return [];
    if (fate.label !== null) return [fate.label];
    return unit.isStatic(name) ? [] : [globalLabel(name)];
  });
  const locals = [...fates.locals.values()].flatMap((fate) =>
    fate.kind === "keep" && fate.label !== null ? [fate.label] : [],
  );
  return [...own, ...locals].toSorted();
}

/** Renames globals, so that a library's function of the same name is never meant. */
function pragmas(
  { unit, fates }: Decided,
  added: ReadonlySet<string>,
  program: ProgramSymbols,
): string {
  const lines: string[] = [];
  for (const name of [...usedNames(unit, fates)].toSorted()) {
    if (unit.isStatic(name)) continue;
    const fate: Fate | undefined = fates.names.get(name);
    const of = fate?.kind === "reference" || fate?.kind === "replace" ? fate.of : null;
    const label =
      of !== null && of.file !== null
        ? identifierLabel(name, of.file)
        : of !== null || added.has(name) || program.hasGlobal(name)
          ? globalLabel(name)
          : null;
    if (label !== null) lines.push(`#pragma redefine_extname ${name} ${label}\n`);
  }
  return lines.join("");
}

/** Names in what the patch compiles: its own items, and functions that headers define. */
function usedNames(unit: Unit, fates: Fates): ReadonlySet<string> {
  const names = new Set<string>();
  for (const item of unit.items) {
    const own = unit.isOwn(item);
    if (!own && item.kind !== "function") continue;
    const dropped = item.declarators.every(({ name }) => fates.names.get(name)?.kind === "drop");
    if (own && item.kind !== "other" && dropped && item.declarators.length > 0) continue;
    const referenced = item.declarators.every(
      ({ name }) => fates.names.get(name)?.kind === "reference",
    );
    const last = own && referenced && item.body !== null ? item.body : item.last;
    for (let at = item.first; at <= last; at++) {
      const text = unit.tokens[at]?.text ?? "";
      if (isName(text)) names.add(text);
    }
  }
  return names;
}

/** Lets later patches find statics that this one defines, by the labels that the program's have. */
function exportsOf(fates: Fates): string {
  const lines = [...fates.names].flatMap(([name, fate]) =>
    fate.kind === "keep" && fate.label !== null
      ? [
          `static __typeof__(${name}) ${name} __attribute__((used));\n` +
            `__asm__(".globl \\"${fate.label}\\"\\n.set \\"${fate.label}\\", ${name}");\n`,
        ]
      : [],
  );
  return lines.length === 0 ? "" : `\n/* For later patches. */\n${lines.join("")}`;
}

/**
 * Callers in the program may rely on registers that the old version of a function leaves alone
 * (-fipa-ra): then the new one leaves all alone. These functions, by the names of their new versions.
 */
function keptRegisters(
  unit: Unit,
  replacements: readonly Replacement[],
  { plan }: ExtractRequest,
): ReadonlyMap<string, FunctionPointers> {
  const relied = new Set(
    plan.redirections
      .filter(({ source }) => source === unit.name)
      .flatMap(({ reasons }) => reasons)
      .flatMap(({ kind, of }) => (kind === "relies-on-callee" && of !== undefined ? [of] : [])),
  );
  const types = new ObjectTypes(unit, new Set());
  return new Map(
    replacements.flatMap(({ name, as }) => {
      const declared = relied.has(name) ? unit.functions.get(name) : undefined;
      const pointers = declared === undefined ? null : types.function(declared);
      return pointers === null || !hasRegisterArguments(unit, pointers) ? [] : [[as, pointers]];
    }),
  );
}

function keptRegistersText(kept: ReadonlyMap<string, FunctionPointers>): string {
  const lines = [...kept].map(
    ([as, { returnsVoid }]) => `POLUS_KEEPS_REGISTERS${returnsVoid ? "_VOID" : ""}(${as});\n`,
  );
  if (lines.length === 0) return "";
  return `\n/* Callers keep values in registers across calls of these. */\n#include <polus.h>\n${lines.join("")}`;
}

/** Second names for the variables of data items: scripts cannot spell those that the patch gives them. */
function carriedSymbols({ translation, unit, fates }: Decided, request: ExtractRequest): string {
  const lines = request.carried.flatMap(({ source, name, function: host, as, size }) => {
    if (source !== translation.source) return [];
    const local =
      host === null ? null : staticLabel(`${name}.${host}`, request.program.file(source));
    if (host === null && fates.names.get(name)?.kind !== "keep") return [];
    const symbol = local ?? (unit.isStatic(name) ? name : globalLabel(name));
    return [
      `__asm__(".globl ${as}\\n.type ${as}, @object\\n.set ${as}, \\"${symbol}\\"\\n.size ${as}, ${size}");\n`,
    ];
  });
  return lines.length === 0 ? "" : `\n/* For update.polus. */\n${lines.join("")}`;
}

/** Writable statics of headers that the patch's own functions name: those are not the program's. */
function headerData(unit: Unit, fates: Fates): readonly string[] {
  const used = usedNames(unit, fates);
  const system = /^(\/usr\/|<)/;
  return unit.items
    .filter((item) => item.kind === "declaration" && item.storage.static && !unit.isOwn(item))
    .filter((item) => !system.test(unit.tokens[item.first]?.file ?? ""))
    .flatMap((item) =>
      item.declarators
        .filter(({ name, isFunction }) => !isFunction && used.has(name))
        .filter(() => !isConstant(unit, item))
        .map(({ name }) => name),
    );
}

function isConstant(unit: Unit, { first, specifiersEnd }: Item): boolean {
  return unit.tokens.slice(first, specifiersEnd).some(({ text }) => text === "const");
}

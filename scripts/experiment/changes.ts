/** Counts what an update changes in data, by the debug information and symbols of its object and of the old program. */
import { readFileSync } from "node:fs";
import { addon } from "../../native/addon/addon.js";
import type { CType } from "../../native/ctypes.js";
import { namesOfFile, namesOfPatch } from "../../native/inspect/program_file.js";

/** More than any program has. */
const all = 1_000_000;

/** What changes in data. */
export interface DataChanges {
  /** Structs, unions and enums that the update defines otherwise than the program. */
  readonly types: number;
  /** Variables of the update that the program does not have, or in another size. */
  readonly globals: number;
}

/**
 * Of updates that are written by hand; of constructed ones the report says which variables differ in their
 * contents, too.
 * @param program the old version's executable, with debug information and symbols
 * @param object the update's shared object, with debug information
 */
export function countDataChanges(program: string, object: string): DataChanges {
  return { types: countTypes(program, object), globals: countVariables(program, object) };
}

/** Structs, unions and enums of that name that are defined otherwise. */
export function countTypes(program: string, object: string): number {
  const ours = namesOfPatch(readFileSync(object));
  const theirs = namesOfFile(program);
  return ours.complete("type", "", all).filter((name) =>
    (["struct", "union", "enum"] as const).some((kind) => {
      const [mine, old] = [ours.type({ kind, name }), theirs.type({ kind, name })];
      return mine !== null && old !== null && isDefined(mine) && isDefined(old)
        ? shape(mine) !== shape(old)
        : false;
    }),
  ).length;
}

function isDefined(type: CType): boolean {
  return !("size" in type) || type.size !== null;
}

/**
 * Size and members' places, without their names, which macros may make others; of their types what they are
 * called, so that a change counts once.
 */
function shape(type: CType): string {
  switch (type.kind) {
    case "struct": {
      const members = type.members.map(
        (m) => `${m.offset}:${m.bits?.first ?? ""}/${m.bits?.count ?? ""} ${called(m.type)}`,
      );
      return `${type.size}{${members.join(";")}}`;
    }
    case "enum":
      return type.enumerators.map(({ name, value }) => `${name}=${value}`).join();
    default:
      return called(type);
  }
}

function called(type: CType): string {
  switch (type.kind) {
    case "pointer":
      return `${called(type.target)}*`;
    case "array":
      return `${called(type.element)}[${type.count ?? ""}]`;
    case "qualified":
      return `${type.qualifiers.join(" ")} ${called(type.type)}`;
    case "struct":
    case "enum":
      return type.tag ?? shape(type);
    case "function":
      return `${called(type.result)}(${type.parameters.map((p) => called(p.type)).join()})`;
    case "void":
      return "void";
    default:
      return type.name;
  }
}

/** Names that compilers number, taken apart from their numbers; null: of the compiler's or POLUS's own making. */
function variableName(symbol: string): string | null {
  const name = symbol.replace(/\.\d+$/, "");
  return /^(__|_DYNAMIC$|_GLOBAL_OFFSET_TABLE_$|completed$|polus_)/.test(name) ? null : name;
}

/** Variables of an ELF file, each as its name and size; those of one name in several files are all there. */
function variablesOf(path: string): ReadonlySet<string> {
  return new Set(
    addon.readPatchObject(readFileSync(path)).symbols.flatMap(({ name, size, kind, defined }) => {
      const variable = defined && kind === "object" && size > 0 ? variableName(name) : null;
      return variable === null ? [] : [`${variable} ${size}`];
    }),
  );
}

function countVariables(program: string, object: string): number {
  const old = variablesOf(program);
  return [...variablesOf(object)].filter((variable) => !old.has(variable)).length;
}

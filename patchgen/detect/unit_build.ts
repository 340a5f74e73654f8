/** One unit of one version, compiled in the ways in which versions are compared. */
import { createHash } from "node:crypto";
import { dirname, relative, join } from "node:path";
import { PatchgenError } from "../error.js";
import type { TranslationUnit } from "../model.js";
import { readAssembly, type AssemblyItem } from "./assembly.js";
import type { CompilerPool } from "./compiler.js";
import { numbered, withoutMarkers } from "./text_chunks.js";

/** A unit with the root of its tree. */
export interface PlacedUnit {
  readonly root: string;
  readonly unit: TranslationUnit;
}

export interface UnitBuild {
  /** At -O0 without inlining: what the source means. */
  readonly meaning: readonly AssemblyItem[];
  /** At the build's own flags: what the program executes. */
  readonly binary: readonly AssemblyItem[];
}

/** A unit whose text is conditional may define nothing, and what loads nothing is no program. */
export const somethingToLoad = '\n\t.section .polus_unit,"a",@progbits\n\t.byte 0\n';
/** Nothing that tells where or when a version was compiled. */
const timeless = ["-D__DATE__=", "-D__TIME__=", "-D__TIMESTAMP__="];
const withDebugInformation = ["-g", "-gno-split-dwarf", "-fno-var-tracking", "-fno-lto"];
const withoutDebug = ["-g0", "-fno-lto"];
/** Stands for the number of a line until it gets one that does not tell where. */
const lineWord = "polus_line__";
/** It takes as many bytes in instructions as most lines do. */
const firstLine = 1021;
/** Options that only say where text comes from: the preprocessed text has what they do. */
const aboutText = /^-(D|U|I|include|imacros|isystem|iquote|idirafter|W|pedantic|fdiagnostics)/;
const textArgument = new Set([
  "-D",
  "-U",
  "-I",
  "-include",
  "-imacros",
  "-isystem",
  "-iquote",
  "-idirafter",
]);

/**
 * The unit's text after the preprocessor, with markers that tell files and lines. Each `__LINE__` of a function
 * is another number, as when the program was compiled: calls that differ in nothing else are not merged.
 */
export async function preprocess(pool: CompilerPool, placed: PlacedUnit): Promise<string> {
  const text = await compileSource(pool, placed, [`-D__LINE__=${lineWord}`, "-E"]);
  return numbered(text, lineWord, firstLine);
}

/** A hash over a preprocessed text without its markers, and the options by which it is compiled. */
export function hashOf(placed: PlacedUnit, text: string): string {
  const hash = createHash("sha256");
  hash.update(JSON.stringify(optionsThatMatter(placed)));
  hash.update(withoutMarkers(text).replace(/\n\s+/g, "\n"), "latin1");
  return hash.digest("hex");
}

/** Options that say how the preprocessed text is compiled, the compiler first: the same in trees of another name. */
export function optionsThatMatter({ root, unit }: PlacedUnit): readonly string[] {
  return compilingOptions(unit).map((word) => word.replaceAll(root, "."));
}

function compilingOptions(unit: TranslationUnit): readonly string[] {
  const kept: string[] = [];
  for (let at = 0; at < unit.arguments.length; at++) {
    const word = unit.arguments[at] ?? "";
    if (textArgument.has(word)) at++;
    else if (!aboutText.test(word)) kept.push(word);
  }
  return kept;
}

/** A unit's assembly in both ways, as text. */
export interface UnitAssembly {
  /** `null` where a unit only compiles with optimisation (inline assembler that needs constants). */
  readonly meaning: string | null;
  /** With debug information. */
  readonly binary: string;
}

/**
 * Compiles a unit in both ways.
 * @param text its file after the preprocessor
 * @throws PatchgenError NO_COMPILER, DOES_NOT_COMPILE
 */
export async function compileUnit(
  pool: CompilerPool,
  placed: PlacedUnit,
  text: string,
): Promise<UnitAssembly> {
  const [meaning, binary] = await Promise.all([
    compileMeaning(pool, placed),
    // Debug information in the same run: it changes no code.
    compileText(pool, placed, text, withDebugInformation),
  ]);
  return { meaning, binary };
}

/** @throws PatchgenError UNSUPPORTED_ASSEMBLY */
export function readUnit({ unit }: PlacedUnit, { meaning, binary }: UnitAssembly): UnitBuild {
  const built = readAssembly(withoutDebugInformation(binary), unit.source);
  return { meaning: meaning === null ? built : readAssembly(meaning, unit.source), binary: built };
}

/** The compiler writes it behind all else. */
function withoutDebugInformation(assembly: string): string {
  const at = assembly.indexOf("\n\t.section\t.debug_");
  return at < 0 ? assembly : assembly.slice(0, at + 1);
}

/**
 * The assembly of a preprocessed unit at the build's own flags and `options`, without debug information.
 * @throws PatchgenError NO_COMPILER, DOES_NOT_COMPILE
 */
export function compileCode(
  pool: CompilerPool,
  placed: PlacedUnit,
  text: string,
  options: readonly string[],
): Promise<string> {
  return compileText(pool, placed, text, [...withoutDebug, ...options]);
}

function compileText(
  pool: CompilerPool,
  placed: PlacedUnit,
  text: string,
  options: readonly string[],
): Promise<string> {
  const { root, unit } = placed;
  const [compiler = "gcc", ...own] = compilingOptions(unit);
  return tolerantly(
    () =>
      run(pool, placed, [
        ...[compiler, ...own, "-w", `-ffile-prefix-map=${root}=.`, "-S", ...options],
        ...["-o", "-", "-x", "cpp-output", text],
      ]),
    () => compileSource(pool, placed, ["-S", ...options]),
  );
}

/**
 * The same with the numbers of lines, as the program itself was compiled.
 * @throws PatchgenError NO_COMPILER, DOES_NOT_COMPILE
 */
export function compileAsBuilt(pool: CompilerPool, placed: PlacedUnit): Promise<string> {
  return compileSource(pool, placed, ["-S", ...withoutDebug]);
}

async function compileMeaning(pool: CompilerPool, placed: PlacedUnit): Promise<string | null> {
  const options = ["-S", "-g0", "-O0", "-fno-inline", "-U_FORTIFY_SOURCE"];
  try {
    return await tolerantly(
      () => compileSource(pool, placed, [`-D__LINE__=${firstLine}`, ...options]),
      () => compileSource(pool, placed, options),
    );
  } catch (error) {
    if (error instanceof PatchgenError && error.code === "DOES_NOT_COMPILE") return null;
    throw error;
  }
}

/** Some macros make names from `__LINE__`, which must then differ. */
async function tolerantly(
  placelessly: () => Promise<string>,
  asItIs: () => Promise<string>,
): Promise<string> {
  try {
    return await placelessly();
  } catch (error) {
    if (error instanceof PatchgenError && error.code === "DOES_NOT_COMPILE") return asItIs();
    throw error;
  }
}

/** The same relative paths in both versions, whatever the tree's folder is called. */
function compileSource(
  pool: CompilerPool,
  placed: PlacedUnit,
  options: readonly string[],
): Promise<string> {
  const { root, unit } = placed;
  const [compiler = "gcc", ...own] = unit.arguments;
  return run(pool, placed, [
    ...[compiler, ...own, "-w", ...timeless, `-ffile-prefix-map=${root}=.`],
    ...[...options, "-o", "-", nameOf(placed)],
  ]);
}

/** The unit's file as its compiler is given it. */
export function nameOf({ root, unit }: PlacedUnit): string {
  return relative(unit.directory, join(root, unit.source));
}

async function run(
  pool: CompilerPool,
  { root, unit }: PlacedUnit,
  words: readonly string[],
): Promise<string> {
  const { directory, source } = unit;
  return (await pool.run({ arguments: words, directory, source })).replaceAll(root, ".");
}

/**
 * Makes a file with debug information in which all places are resolved, so that it can be read like
 * a program's.
 * @param assembly its file
 */
export async function link(
  pool: CompilerPool,
  { unit }: PlacedUnit,
  assembly: string,
  linked: string,
): Promise<void> {
  const options = ["-nostdlib", "-static", "-no-pie", "-fno-lto", "-Wl,-e,0", "-Wl,-z,noexecstack"];
  await pool.run({
    arguments: [
      ...[unit.arguments[0] ?? "gcc", ...options, "-Wl,--unresolved-symbols=ignore-all"],
      ...["-Wl,--no-warnings", "-Wl,--build-id=none", "-w", "-o", linked, assembly],
    ],
    directory: dirname(linked),
    source: unit.source,
  });
}

/** One unit of one version, compiled in the ways in which versions are compared. */
import { createHash } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join, relative } from "node:path";
import { PatchgenError } from "../error.js";
import type { TranslationUnit } from "../model.js";
import { readAssembly, type AssemblyItem } from "./assembly.js";
import type { CompilerPool } from "./compiler.js";

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
  /** The assembly behind `binary`, with debug information. */
  readonly assembly: string;
}

/** A unit whose text is conditional may define nothing, and what loads nothing is no program. */
const somethingToLoad = '\t.section .polus_unit,"a",@progbits\n\t.byte 0\n';
/** Nothing that tells where or when a version was compiled. */
const timeless = ["-D__DATE__=", "-D__TIME__=", "-D__TIMESTAMP__="];
const withDebugInformation = ["-g", "-gno-split-dwarf", "-fno-var-tracking", "-fno-lto"];
const placeless = "-D__LINE__=0";
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
 * The unit's text after the preprocessor, and a hash over it and the options by which it is compiled.
 * @throws PatchgenError NO_COMPILER, DOES_NOT_COMPILE
 */
export async function preprocessedHash(pool: CompilerPool, placed: PlacedUnit): Promise<string> {
  const text = await compile(pool, placed, [placeless, "-E", "-P"]);
  const hash = createHash("sha256");
  hash.update(JSON.stringify(optionsThatMatter(placed)));
  for (const line of text.split("\n")) {
    const bare = line.trim();
    if (bare !== "") hash.update(`${bare}\n`);
  }
  return hash.digest("hex");
}

/** Options that say how the preprocessed text is compiled; the compiler first. */
export function optionsThatMatter({ root, unit }: PlacedUnit): readonly string[] {
  const kept: string[] = [];
  for (let at = 0; at < unit.arguments.length; at++) {
    const word = unit.arguments[at] ?? "";
    if (textArgument.has(word)) at++;
    else if (!aboutText.test(word)) kept.push(word.replaceAll(root, "."));
  }
  return kept;
}

/**
 * Compiles a unit in both ways.
 * @throws PatchgenError NO_COMPILER, DOES_NOT_COMPILE, UNSUPPORTED_ASSEMBLY
 */
export async function buildUnit(pool: CompilerPool, placed: PlacedUnit): Promise<UnitBuild> {
  const { source } = placed.unit;
  const [meaning, assembly] = await Promise.all([
    compileMeaning(pool, placed),
    // Debug information in the same run: it changes no code.
    compileUnit(pool, placed, []),
  ]);
  const binary = readAssembly(assembly, source);
  return { meaning: meaning === null ? binary : readAssembly(meaning, source), binary, assembly };
}

/**
 * The assembly of a unit at the build's own flags and `options`, with debug information;
 * `asBuilt`: with the numbers of lines, as the program itself was compiled.
 * @throws PatchgenError NO_COMPILER, DOES_NOT_COMPILE
 */
export function compileUnit(
  pool: CompilerPool,
  placed: PlacedUnit,
  options: readonly string[],
  asBuilt = false,
): Promise<string> {
  const run = (line: readonly string[]): Promise<string> =>
    compile(pool, placed, [...line, "-S", ...withDebugInformation, ...options]);
  return asBuilt ? run([]) : tolerantly(run);
}

/** `null` where a unit only compiles with optimisation (inline assembler that needs constants). */
async function compileMeaning(pool: CompilerPool, placed: PlacedUnit): Promise<string | null> {
  try {
    return await tolerantly((line) =>
      compile(pool, placed, [...line, "-S", "-g0", "-O0", "-fno-inline", "-U_FORTIFY_SOURCE"]),
    );
  } catch (error) {
    if (error instanceof PatchgenError && error.code === "DOES_NOT_COMPILE") return null;
    throw error;
  }
}

/** Some macros make names from `__LINE__`, which must then differ. */
async function tolerantly(run: (line: readonly string[]) => Promise<string>): Promise<string> {
  try {
    return await run([placeless]);
  } catch (error) {
    if (error instanceof PatchgenError && error.code === "DOES_NOT_COMPILE") return run([]);
    throw error;
  }
}

/** The same relative paths in both versions, whatever the tree's folder is called. */
async function compile(
  pool: CompilerPool,
  { root, unit }: PlacedUnit,
  options: readonly string[],
): Promise<string> {
  const [compiler = "gcc", ...own] = unit.arguments;
  const file = relative(unit.directory, join(root, unit.source));
  const output = await pool.run({
    arguments: [
      ...[compiler, ...own, "-w", ...timeless, `-ffile-prefix-map=${root}=.`],
      ...[...options, "-o", "-", file],
    ],
    directory: unit.directory,
    source: unit.source,
  });
  return output.replaceAll(root, ".");
}

/**
 * Makes a file with debug information in which all places are resolved, so that it can be read like
 * a program's, and calls `use` with its path; the file is gone afterwards.
 */
export async function withLinked<T>(
  pool: CompilerPool,
  placed: PlacedUnit,
  assembly: string,
  use: (path: string) => T | Promise<T>,
): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), "polus-detect-"));
  try {
    const text = join(folder, "unit.s");
    const linked = join(folder, basename(placed.unit.source).replace(/\.[^.]*$/, ".elf"));
    await writeFile(text, `${assembly}\n${somethingToLoad}`, "latin1");
    const link = ["-nostdlib", "-static", "-no-pie", "-fno-lto", "-Wl,-e,0", "-Wl,-z,noexecstack"];
    await pool.run({
      arguments: [
        ...[placed.unit.arguments[0] ?? "gcc", ...link, "-Wl,--unresolved-symbols=ignore-all"],
        ...["-Wl,--no-warnings", "-Wl,--build-id=none", "-w", "-o", linked, text],
      ],
      directory: folder,
      source: placed.unit.source,
    });
    return await use(linked);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

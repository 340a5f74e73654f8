/** One version of a program's source, with the commands that compile it. */
import { existsSync, realpathSync, statSync } from "node:fs";
import { basename, isAbsolute, join, relative, resolve, sep } from "node:path";
import { PatchgenError } from "../error.js";
import type { TranslationUnit, Tree } from "../model.js";
import { readCompilerCall, type CompilerCall } from "./compile_command.js";
import { findDatabase, readDatabase, type RecordedCall } from "./compile_database.js";
import { recordBuild } from "./recorder.js";

export interface TreeRequest {
  readonly folder: string;
  /** The shell's command that builds it; `null`: it has a `compile_commands.json`. */
  readonly build: string | null;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly cancel: AbortSignal;
}

/**
 * Reads a tree's compilation database, or builds it.
 * @throws PatchgenError NO_SUCH_TREE, NO_COMPILE_COMMANDS, BAD_COMPILE_COMMANDS, BUILD_FAILED,
 *   NO_COMPILER, NOTHING_COMPILED, LINK_TIME_OPTIMISATION
 */
export async function loadTree(request: TreeRequest): Promise<Tree> {
  const root = rootOf(request.folder);
  const calls = await callsOf(root, request);
  return treeOf(root, calls, request.build);
}

function rootOf(folder: string): string {
  try {
    const root = realpathSync(resolve(folder));
    if (statSync(root).isDirectory()) return root;
  } catch {
    // Said below.
  }
  throw new PatchgenError(
    "NO_SUCH_TREE",
    `${folder} is no folder`,
    "give the folder of a source tree",
    folder,
  );
}

async function callsOf(root: string, request: TreeRequest): Promise<readonly RecordedCall[]> {
  if (request.build !== null) {
    return recordBuild({ ...request, command: request.build, directory: root });
  }
  const database = findDatabase(root);
  if (database === null) {
    throw new PatchgenError(
      "NO_COMPILE_COMMANDS",
      `${root} has no compile_commands.json`,
      "give the command that builds it, as --build 'make', or make the file with `bear -- make` or `cmake -DCMAKE_EXPORT_COMPILE_COMMANDS=ON`",
      root,
    );
  }
  return readDatabase(database);
}

/** @throws PatchgenError NOTHING_COMPILED, LINK_TIME_OPTIMISATION */
export function treeOf(root: string, calls: readonly RecordedCall[], build: string | null): Tree {
  const chosen = new Map<string, { unit: TranslationUnit; call: CompilerCall }>();
  const others = new Map<string, TranslationUnit>();
  for (const recorded of calls) {
    const call = readCompilerCall(recorded.arguments, recorded.directory);
    if (call.makes !== "object") continue;
    for (const source of call.sources) {
      const name = nameIn(root, source.path);
      if (name === null) continue;
      const object = objectOf(call, recorded.directory, source.path);
      const unit = {
        source: name,
        directory: recorded.directory,
        arguments: call.arguments,
        object,
      };
      if (source.language === "c++") others.set(name, unit);
      if (source.language !== "c") continue;
      const before = chosen.get(name);
      if (before === undefined || prefers(call, before.call)) chosen.set(name, { unit, call });
    }
  }
  if (chosen.size === 0) throw nothingCompiled(root, build);
  const optimised = [...chosen.values()].find(({ call }) => call.linkTimeOptimised);
  if (optimised !== undefined) throw linkTimeOptimised(optimised.unit.source);
  const bySource = (left: TranslationUnit, right: TranslationUnit): number =>
    left.source < right.source ? -1 : 1;
  return {
    root,
    units: [...chosen.values()].map(({ unit }) => unit).toSorted(bySource),
    others: [...others.values()].toSorted(bySource),
  };
}

/**
 * The source's name within the tree; `null` for what is no part of the program: files elsewhere,
 * and those that configure scripts compile to learn about the system.
 */
function nameIn(root: string, path: string): string | null {
  if (!existsSync(path)) return null;
  const name = relative(root, realpathSync(path));
  if (name.startsWith(`..${sep}`) || isAbsolute(name)) return null;
  const probe = /^(conftest|conftest[-.].*|_configtest|testfile)\.c$/.test(basename(name));
  return probe || /(^|\/)(CMakeTmp|CMakeScratch|CompilerIdC|meson-private)(\/|-)/.test(name)
    ? null
    : name;
}

/** What the driver names an object without `-o`, or with several sources: the source's base name. */
function objectOf(call: CompilerCall, directory: string, source: string): string {
  const isObject = call.output !== null && /\.(o|lo|obj)$/.test(call.output);
  if (call.output !== null && isObject) return call.output;
  return join(directory, basename(source).replace(/\.[^.]*$/, ".o"));
}

/** libtool compiles a source twice, for a shared and a static library; else the later call counts. */
function prefers(call: CompilerCall, before: CompilerCall): boolean {
  return call.positionIndependent || !before.positionIndependent;
}

function nothingCompiled(root: string, build: string | null): PatchgenError {
  return build === null
    ? new PatchgenError(
        "NOTHING_COMPILED",
        `the compilation database of ${root} names no C file of that folder`,
        "make it again where the sources are now, or give the command that builds with --build",
        root,
      )
    : new PatchgenError(
        "NOTHING_COMPILED",
        `\`${build}\` compiled no C file of ${root}`,
        "begin with a clean tree (`make clean`); a build that calls its compiler by an absolute path needs a compile_commands.json",
        root,
      );
}

function linkTimeOptimised(source: string): PatchgenError {
  return new PatchgenError(
    "LINK_TIME_OPTIMISATION",
    `${source} is compiled for link-time optimisation (-flto), which merges functions across files: what must be replaced cannot be told`,
    "build both versions with -fno-lto, and run the program that is built so",
    source,
  );
}

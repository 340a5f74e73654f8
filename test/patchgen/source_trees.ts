/** Small source trees for tests of detection and what follows from it. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, realpathSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { Compilations } from "../../patchgen/detect/compilations.js";
import { detect } from "../../patchgen/detect/detect.js";
import { PatchgenError } from "../../patchgen/error.js";
import type { Detection, Tree } from "../../patchgen/model.js";
import { temporaryFolder } from "../interpreter/temporary_folder.js";

/** Removed when the test ends. */
export const baseFolder = realpathSync(temporaryFolder());
const usualCall = ["gcc", "-O2", "-g"];

/** A tree of these files; those in C are its units, compiled by `call`. */
export function treeWith(
  files: Readonly<Record<string, string>>,
  call: readonly string[] = usualCall,
): Tree {
  const root = mkdtempSync(join(baseFolder, "tree-"));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(root, name), text);
  const unit = (source: string): Tree["units"][number] => ({
    source,
    directory: root,
    arguments: call,
    object: join(root, source.replace(/c+$/, "o")),
  });
  const named = (ending: string): Tree["units"] =>
    Object.keys(files)
      .filter((name) => name.endsWith(ending))
      .toSorted()
      .map(unit);
  return { root, units: named(".c"), others: named(".cc") };
}

export function compareTrees(
  old: Tree,
  now: Tree,
  cacheFolder: string | null = null,
): Promise<Detection> {
  return Compilations.within(new AbortController().signal, (compilations) =>
    detect({ old, new: now, cacheFolder, progress: () => {}, compilations }),
  );
}

/** Path of the program that a tree's units make together. */
export function buildProgram(tree: Tree, options: readonly string[] = ["-O2", "-g"]): string {
  const program = join(tree.root, "program");
  const sources = tree.units.map((unit) => unit.source);
  const built = spawnSync("gcc", [...options, "-w", "-o", program, ...sources], { cwd: tree.root });
  assert.is(built.status, 0, String(built.stderr));
  return program;
}

/** The refusal with which a promise ends. */
export async function refusal(work: Promise<unknown>): Promise<PatchgenError> {
  try {
    await work;
  } catch (error) {
    if (error instanceof PatchgenError) return error;
    throw error;
  }
  throw new Error("nothing was refused");
}

/** Versions of a real program between two releases, made by stopping inside Debian's patch series. */
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Tree } from "../../../patchgen/model.js";

export interface Program {
  readonly original: string;
  readonly debian: string;
  /** Compiler and options of all units. */
  readonly call: readonly string[];
  /** The shell's command that makes generated headers, once, before any patch. */
  readonly configure: string | null;
  /** Patches before this one belong to the first version; `null`: none do. */
  readonly from: string | null;
  /** Sources of the program by name. */
  readonly isUnit: (name: string) => boolean;
}

export function run(command: string, directory: string): void {
  const done = spawnSync("/bin/sh", ["-ec", command], { cwd: directory, encoding: "utf8" });
  if (done.status !== 0) throw new Error(`${command}: ${done.stdout.slice(-2000)}${done.stderr}`);
}

export function treeIn(root: string, program: Program): Tree {
  const units = readdirSync(root)
    .filter((name) => name.endsWith(".c") && program.isUnit(name))
    .toSorted()
    .map((source) => ({
      source,
      directory: root,
      arguments: program.call,
      object: join(root, source.replace(/c$/, "o")),
    }));
  return { root, units, others: [] };
}

export interface Step {
  readonly patch: string;
  readonly old: string;
  readonly new: string;
  /** Names of C files and headers at the top that it changes. */
  readonly touched: readonly string[];
}

/** Applies the series one by one and yields each patch that changes C at the top of the tree. */
export function* steps(program: Program, sources: string, folder: string): Generator<Step> {
  const first = join(folder, "0");
  mkdirSync(first, { recursive: true });
  run(`tar -xf '${join(sources, program.original)}' --strip-components=1`, first);
  run(`tar -xf '${join(sources, program.debian)}'`, first);
  const series = readFileSync(join(first, "debian/patches/series"), "utf8")
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"));
  const begin = program.from === null ? 0 : series.findIndex((name) => name === program.from);
  if (begin < 0) throw new Error(`there is no ${program.from} in the series`);
  for (const name of series.slice(0, begin)) apply(first, name);
  if (program.configure !== null) run(program.configure, first);
  let old = first;
  for (const [index, patch] of series.slice(begin).entries()) {
    const text = readFileSync(join(first, "debian/patches", patch), "latin1");
    const touched = [...text.matchAll(/^\+\+\+ [^/\s]+\/([^/\s]+\.[ch])\s*$/gm)].map(
      (match) => match[1] ?? "",
    );
    const now = join(folder, String(index + 1));
    cpSync(old, now, { recursive: true, preserveTimestamps: true });
    apply(now, patch);
    const relevant = touched.filter((name) => name.endsWith(".h") || program.isUnit(name));
    if (relevant.length > 0) yield { patch, old, new: now, touched: relevant };
    old = now;
  }
}

function apply(root: string, name: string): void {
  run(`patch -p1 -s -f --no-backup-if-mismatch <'debian/patches/${name}'`, root);
}

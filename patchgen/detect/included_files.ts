/**
 * Which files of a tree a unit may include, without running the preprocessor: all files that have the
 * base name of one that an `#include` names, whatever the condition around it and the search path.
 * More than it includes, never less; where that cannot be told, nothing is.
 */
import { readdirSync, readFileSync } from "node:fs";
import { basename, isAbsolute, join, relative, resolve } from "node:path";
import type { TranslationUnit } from "../model.js";
import type { PlacedUnit } from "./unit_build.js";

/** Folders that no compiler looks into. */
const ignored = new Set([".git", ".hg", ".svn", ".pc", "autom4te.cache"]);
const includeLine = /^[ \t]*#[ \t]*(?:include|include_next|import)\b[ \t]*(.*)$/gm;
const named = /^(?:"([^"\n]+)"|<([^>\n]+)>)/;
/** Other ways for a file's contents to get into a unit. */
const otherWays = /\bincbin\b|^[ \t]*#[ \t]*embed\b/m;
const systemFolders = ["/usr/", "/lib/", "/opt/"];
const pathOptions = /^-(I|isystem|iquote|idirafter)(.*)$/;
const fileOptions = /^-(include|imacros)$/;

/** Words that one name is pasted together from (`a ## b ## c ## d`). */
const mostPasted = 4;

interface ReadFile {
  readonly text: string;
  /** Base names; `null`: one of them is made by a macro. */
  readonly includes: readonly string[] | null;
}

/** The files of one tree. Contents are read once. */
export class IncludedFiles {
  readonly #byName = new Map<string, string[]>();
  readonly #read = new Map<string, ReadFile | null>();
  readonly #words = new Map<string, ReadonlySet<string>>();

  constructor(readonly root: string) {
    this.#index("");
  }

  #index(folder: string): void {
    for (const entry of readdirSync(join(this.root, folder), { withFileTypes: true })) {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) {
        if (!ignored.has(entry.name)) this.#index(path);
      } else {
        const same = this.#byName.get(entry.name);
        if (same === undefined) this.#byName.set(entry.name, [path]);
        else same.push(path);
      }
    }
  }

  /** Paths below the root, the unit's own among them, sorted; `null`: it cannot be told. */
  of(unit: TranslationUnit): readonly string[] | null {
    const extra = this.#filesOfOptions(unit);
    if (extra === null) return null;
    const found = new Set([unit.source]);
    const toDo = [unit.source];
    const add = (name: string): void => {
      for (const path of this.#byName.get(name) ?? []) {
        if (found.has(path)) continue;
        found.add(path);
        toDo.push(path);
      }
    };
    for (const name of extra) add(name);
    for (let path = toDo.pop(); path !== undefined; path = toDo.pop()) {
      const includes = this.#file(path)?.includes ?? null;
      if (includes === null) return null;
      for (const name of includes) add(name);
    }
    return [...found].toSorted();
  }

  text(path: string): string | null {
    return this.#file(path)?.text ?? null;
  }

  /** Names and numbers in a file. */
  words(path: string): ReadonlySet<string> {
    const known = this.#words.get(path) ?? new Set(this.text(path)?.match(/\w+/g));
    this.#words.set(path, known);
    return known;
  }

  #file(path: string): ReadFile | null {
    const known = this.#read.get(path);
    if (known !== undefined) return known;
    let read: ReadFile | null = null;
    try {
      const text = readFileSync(join(this.root, path), "latin1");
      read = { text, includes: includesOf(text) };
    } catch {
      // Gone, or not for us to read: it cannot be told.
    }
    this.#read.set(path, read);
    return read;
  }

  /** Base names that options include; `null`: headers come from folders outside of the tree. */
  #filesOfOptions(unit: TranslationUnit): readonly string[] | null {
    const names: string[] = [];
    const { arguments: words, directory } = unit;
    for (let at = 1; at < words.length; at++) {
      const word = words[at] ?? "";
      if (fileOptions.test(word)) names.push(basename(words[++at] ?? ""));
      const path = pathOptions.exec(word);
      if (path === null) continue;
      const folder = resolve(directory, path[2] === "" ? (words[++at] ?? "") : (path[2] ?? ""));
      if (!this.#holds(folder) && !systemFolders.some((one) => `${folder}/`.startsWith(one))) {
        return null;
      }
    }
    return this.#holds(directory) ? names : null;
  }

  #holds(folder: string): boolean {
    const path = relative(this.root, folder);
    return path !== ".." && !path.startsWith("../") && !isAbsolute(path);
  }
}

function includesOf(text: string): readonly string[] | null {
  if (otherWays.test(text)) return null;
  const names: string[] = [];
  for (const [, rest = ""] of text.matchAll(includeLine)) {
    const match = named.exec(rest);
    if (match === null) return null;
    names.push(basename(match[1] ?? match[2] ?? ""));
  }
  return names;
}

/** True only if both versions of a unit are certain to be the same text under the same options. */
export function isSameText(
  old: PlacedUnit,
  now: PlacedUnit,
  oldFiles: IncludedFiles,
  newFiles: IncludedFiles,
): boolean {
  const options = ({ root, unit }: PlacedUnit): string =>
    JSON.stringify([
      unit.arguments.map((word) => word.replaceAll(root, ".")),
      relative(root, unit.directory),
    ]);
  if (options(old) !== options(now)) return false;
  const before = oldFiles.of(old.unit);
  const after = newFiles.of(now.unit);
  if (before === null || after === null || before.join("\n") !== after.join("\n")) return false;
  return after.every((path) => oldFiles.text(path) === newFiles.text(path));
}

/** True if the unit's files may name one of these. */
export function mayName(
  unit: TranslationUnit,
  files: IncludedFiles,
  names: readonly string[],
): boolean {
  const paths = files.of(unit);
  if (paths === null) return true;
  const words = new Set(unit.arguments.flatMap((word) => word.split(/\W+/)));
  let pastes = words.size > 0 && unit.arguments.some((word) => word.includes("##"));
  for (const path of paths) {
    for (const word of files.words(path)) words.add(word);
    pastes ||= files.text(path)?.includes("##") ?? false;
  }
  return names.some((name) => words.has(name) || (pastes && isMadeOf(name, words)));
}

/** Whether a name can be pasted together from a few words: from single letters any can. */
function isMadeOf(name: string, words: ReadonlySet<string>): boolean {
  /** Fewest words that make what comes before each place. */
  const fewest = [0];
  for (let end = 1; end <= name.length; end++) {
    fewest.push(
      Math.min(
        ...fewest.map((count, start) =>
          words.has(name.slice(start, end)) ? count + 1 : Number.POSITIVE_INFINITY,
        ),
      ),
    );
  }
  return (fewest[name.length] ?? 0) <= mostPasted;
}

/** Reads `compile_commands.json` (clang's "JSON Compilation Database Format Specification"). */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { PatchgenError } from "../error.js";
import { shellWords } from "./shell_words.js";

/** One recorded call of a compiler, in the order in which they happened where that is known. */
export interface RecordedCall {
  /** Absolute. */
  readonly directory: string;
  /** The compiler first. */
  readonly arguments: readonly string[];
}

/** Where a tree's database may be: its root, or the usual folders of builds beside the source. */
const places = ["compile_commands.json", "build/compile_commands.json"];

/** The database of a tree; `null` if it has none. */
export function findDatabase(root: string): string | null {
  return places.map((place) => join(root, place)).find((path) => existsSync(path)) ?? null;
}

/** @throws PatchgenError BAD_COMPILE_COMMANDS */
export async function readDatabase(path: string): Promise<readonly RecordedCall[]> {
  const bad = (what: string): PatchgenError =>
    new PatchgenError(
      "BAD_COMPILE_COMMANDS",
      `${path} is not a compilation database: ${what}`,
      "make it again (`bear -- make`, `cmake -DCMAKE_EXPORT_COMPILE_COMMANDS=ON`), or give the command that builds with --build",
      path,
    );
  let parsed: unknown;
  try {
    parsed = JSON.parse(await readFile(path, "utf8"));
  } catch (error) {
    throw bad(error instanceof Error ? error.message : String(error));
  }
  if (!Array.isArray(parsed)) throw bad("it holds no list");
  return parsed.map((entry: unknown, index) => {
    if (typeof entry !== "object" || entry === null) throw bad(`entry ${index} is no object`);
    const directory = "directory" in entry ? entry.directory : undefined;
    if (typeof directory !== "string") throw bad(`entry ${index} has no directory`);
    return { directory: resolve(path, "..", directory), arguments: wordsOf(entry, index, bad) };
  });
}

function wordsOf(
  entry: object,
  index: number,
  bad: (what: string) => PatchgenError,
): readonly string[] {
  if ("arguments" in entry && Array.isArray(entry.arguments)) {
    return entry.arguments.map((word: unknown) => {
      if (typeof word !== "string") throw bad(`entry ${index} has an argument that is no string`);
      return word;
    });
  }
  const command = "command" in entry ? entry.command : undefined;
  if (typeof command !== "string") throw bad(`entry ${index} has neither arguments nor command`);
  const words = shellWords(command);
  if (words === null) throw bad(`the command of entry ${index} leaves a quote open`);
  return words;
}

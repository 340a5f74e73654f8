/** Marks that a constructed patch puts where a person must decide; none may be left when it is built. */
import { readFile } from "node:fs/promises";
import { PatchgenError } from "../error.js";

/**
 * Looks through the files of a patch.
 * @throws PatchgenError MARK_LEFT at the first one
 */
export async function refuseMarks(paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    const lines = (await readFile(path, "utf8")).split("\n");
    const at = lines.findIndex((line) => /\bMANUAL\b/.test(line));
    if (at < 0) continue;
    throw new PatchgenError(
      "MARK_LEFT",
      `${path}:${at + 1} is left to a person: ${(lines[at] ?? "").trim()}`,
      "write what is right there, and take the mark MANUAL away",
      path,
    );
  }
}

/** What the marks in a generated C file say. */
export function marksIn(text: string): readonly string[] {
  return [...text.matchAll(/\/\* MANUAL: ([^*]*[^*.\s])/g)].map(([, mark = ""]) =>
    mark.replace(/\s+/g, " "),
  );
}

/** Updates that are written by hand: what is counted of them. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { countDataChanges } from "./changes.js";
import { projectRoot } from "../demonstration/polus.js";
import type { UpdateFiles } from "./case.js";

/** Lines of a text that are not blank. */
export function countLines(text: string): number {
  return text.split("\n").filter((line) => line.trim() !== "").length;
}

/**
 * @param sources seen from the root of the checkout: the script first, then the C
 * @param object the shared object that the script names
 * @param program the old version's executable
 */
export function handWritten(
  sources: readonly string[],
  object: string,
  program: string,
): UpdateFiles {
  const [script = "", ...code] = sources.map((source) => join(projectRoot, source));
  const lines = (files: readonly string[]): number =>
    files.reduce((sum, file) => sum + countLines(readFileSync(file, "utf8")), 0);
  return {
    name: "update",
    script,
    objects: [object],
    lines: { generated: 0, cByHand: lines(code), scriptByHand: lines([script]) },
    changes: countDataChanges(program, object),
    constructSeconds: null,
    unreached: null,
  };
}

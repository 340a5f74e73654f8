/** Runs the compiler's preprocessor over one unit. */
import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { runCompiler } from "../compiler_run.js";
import type { Compilations } from "../detect/compilations.js";
import { nameOf, type PlacedUnit } from "../detect/unit_build.js";
import type { TranslationUnit } from "../model.js";
import { SourceText } from "./source_text.js";
import { readTokens, type Token } from "./tokens.js";

export interface PreprocessedUnit {
  readonly source: SourceText;
  /** As the tokens' `file` names the unit's own file. */
  readonly path: string;
  readonly tokens: readonly Token[];
}

/** No unit is larger, preprocessed and with a place before each token. */
const longestOutput = 1 << 30;

/**
 * A unit whose tokens do not tell where the source has them: not to be rewritten, but quicker to be had.
 * @throws PatchgenError NO_COMPILER, DOES_NOT_COMPILE
 */
export async function preprocessPlainly(
  compilations: Compilations,
  placed: PlacedUnit,
): Promise<PreprocessedUnit> {
  const source = new SourceText(readFileSync(join(placed.root, placed.unit.source), "utf8"));
  const path = nameOf(placed);
  return { source, path, tokens: await compilations.tokens(placed) };
}

/**
 * Preprocesses a unit of the tree at `root`.
 * @throws PatchgenError NO_COMPILER, DOES_NOT_COMPILE
 */
export async function preprocess(
  root: string,
  unit: TranslationUnit,
  cancel: AbortSignal,
): Promise<PreprocessedUnit> {
  const path = join(root, unit.source);
  const source = new SourceText(await readFile(path, "utf8"));
  const output = await runCompiler(
    {
      arguments: [...unit.arguments, "-w", "-E", "-fdebug-cpp", path],
      directory: unit.directory,
      source: unit.source,
      longestOutput,
      failure: "cannot be preprocessed",
      help: "see that the tree builds",
    },
    cancel,
  );
  return { source, path, tokens: readTokens(output.toString("utf8"), path, source) };
}

/**
 * Formatting a script. The tree is turned into a document of Prettier's, which decides
 * where lines break. What comes out is parsed again before anybody gets it: a script
 * is either formatted and means the same, or left alone.
 */
import type { Doc } from "prettier";
import { printer } from "prettier/doc";
import type { Script } from "../ast.js";
import type { Diagnostic } from "../diagnostics/diagnostic.js";
import { parse } from "../parse.js";
import { SourceFile } from "../source.js";
import { printItem } from "./declarations.js";
import { sameComments, sameTree } from "./equivalence.js";
import { printFile } from "./items.js";
import { FormatterError, TokenPrinter } from "./token_printer.js";

/** How lines are made; columns and blanks. */
export interface Layout {
  readonly printWidth: number;
  readonly tabWidth: number;
  readonly useTabs?: boolean | undefined;
}

/** The one style of `polus fmt`. */
export const standardLayout: Layout = { printWidth: 80, tabWidth: 2, useTabs: false };

export type FormatResult =
  | { readonly kind: "formatted"; readonly text: string }
  /** The text has syntax errors and is not touched. */
  | { readonly kind: "rejected"; readonly diagnostics: readonly Diagnostic[] };

/**
 * Formats a script; lines end with `\n`.
 * @throws FormatterError if the result would not mean the same: a fault of the formatter
 */
export function formatScript(file: SourceFile, layout: Layout = standardLayout): FormatResult {
  const { script, diagnostics } = parse(file);
  if (script === null) return { kind: "rejected", diagnostics };
  const text = layOut(printScript(file, script), layout);
  verify(file, script, text);
  return { kind: "formatted", text };
}

/** A script as a document, not yet laid out. */
export function printScript(file: SourceFile, script: Script): Doc {
  const tokens = new TokenPrinter(file);
  const document = printFile(tokens, script.items, printItem);
  if (!tokens.atEnd) throw new FormatterError("not every token was printed");
  return document;
}

/** The text of a document. */
export function layOut(document: Doc, layout: Layout): string {
  const { printWidth, tabWidth, useTabs = false } = layout;
  return printer.printDocToString(document, { printWidth, tabWidth, useTabs }).formatted;
}

/** Throws unless `text` has the tree and the comments of the script. */
export function verify(file: SourceFile, script: Script, text: string): void {
  const formatted = new SourceFile(file.path, text);
  const again = parse(formatted);
  if (again.script === null || !sameTree(script, again.script)) {
    throw new FormatterError(
      `formatting ${file.path} would change what it means; it is left as it is`,
    );
  }
  if (!sameComments(file, formatted)) {
    throw new FormatterError(`formatting ${file.path} would lose a comment; it is left as it is`);
  }
}

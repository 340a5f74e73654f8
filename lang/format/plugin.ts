/**
 * The plugin for Prettier 3: `prettier --plugin ./dist/lang/format/plugin.js FILE`.
 * Comments are printed with the tokens that they stand between, so Prettier's own way
 * of attaching them to nodes is not used.
 */
import type { Parser, Plugin, Printer, SupportLanguage } from "prettier";
import type { Script } from "../ast.js";
import type { Diagnostic } from "../diagnostics/diagnostic.js";
import { parse } from "../parse.js";
import { placeOf, SourceFile } from "../source.js";
import { treeText } from "./equivalence.js";
import { layOut, printScript, verify } from "./format.js";

/** What Prettier takes for the tree: it is printed as a whole. */
interface Root {
  readonly kind: "root";
  readonly script: Script;
}

export const languages: SupportLanguage[] = [
  { name: "polus", parsers: ["polus"], extensions: [".polus"], vscodeLanguageIds: ["polus"] },
];

const parser: Parser<Root> = {
  astFormat: "polus",
  parse(text, options) {
    const file = new SourceFile(options.filepath ?? "script.polus", text);
    const { script, diagnostics } = parse(file);
    if (script === null) throw syntaxError(diagnostics);
    return { kind: "root", script };
  },
  locStart: ({ script }) => script.span.start,
  locEnd: ({ script }) => script.span.end,
};

const printer: Printer<Root> = {
  print(path, options) {
    const { script } = path.node;
    const { file } = script.span;
    const document = printScript(file, script);
    verify(file, script, layOut(document, options));
    return document;
  },
  getVisitorKeys: () => [],
  massageAstNode: ({ script }: Root): string => treeText(script),
};

export const parsers: Plugin<Root>["parsers"] = { polus: parser };
export const printers: Plugin<Root>["printers"] = { polus: printer };

/** The first mistake, in the form of which Prettier makes an excerpt. */
function syntaxError(diagnostics: readonly Diagnostic[]): SyntaxError {
  const first = diagnostics.find(({ severity }) => severity === "error");
  const { line, column } = first?.span === undefined ? { line: 1, column: 1 } : placeOf(first.span);
  const suggestion = first?.suggestion === undefined ? "" : `; ${first.suggestion}`;
  const message = `${first?.message ?? "syntax error"}${suggestion} (${line}:${column})`;
  return Object.assign(new SyntaxError(message), { loc: { start: { line, column } } });
}

/** The whole grammar as one parser; made once, on first use. */
import type { IToken } from "chevrotain";
import type { Expression, Item } from "../ast.js";
import { diagnose } from "../diagnostics/codes.js";
import type { Diagnostic } from "../diagnostics/diagnostic.js";
import type { SourceFile } from "../source.js";
import { NestingError } from "./base.js";
import { DeclarationGrammar } from "./declarations.js";
import { syntaxError } from "./messages.js";

export class PolusParser extends DeclarationGrammar {
  /** @param validate whether to check the grammar itself: in a test, never for a user */
  constructor(validate = false) {
    super(validate);
    this.performSelfAnalysis();
  }

  /**
   * Parses the tokens of a file.
   * @returns its items; only to be used if no error was added to `diagnostics`
   */
  parse(
    file: SourceFile,
    tokens: IToken[],
    options: { readonly interactive: boolean },
    diagnostics: Diagnostic[],
  ): readonly Item[] {
    this.begin(file, options.interactive, diagnostics);
    this.input = tokens;
    return this.#guarded(() => this.items()) ?? [];
  }

  /** Parses tokens that are one expression; null (and a diagnostic) if they are not. */
  parseExpression(
    file: SourceFile,
    tokens: IToken[],
    diagnostics: Diagnostic[],
  ): Expression | null {
    this.begin(file, false, diagnostics);
    this.input = tokens;
    const expression = this.#guarded(() => this.expression()) ?? null;
    const [error] = this.errors;
    if (error === undefined) return expression;
    diagnostics.push(syntaxError(error, { token: this.spanOf(error.token), previous: undefined }));
    return null;
  }

  #guarded<T>(parse: () => T): T | undefined {
    try {
      return parse();
    } catch (error) {
      // A RangeError is the JavaScript stack's end, should the limit ever come too late.
      if (!(error instanceof NestingError || error instanceof RangeError)) throw error;
      const token = error instanceof NestingError ? error.token : this.LA(1);
      this.report(diagnose("too-deep", this.spanOf(token), undefined));
      return undefined;
    }
  }
}

let parser: PolusParser | undefined;

export function polusParser(): PolusParser {
  parser ??= new PolusParser();
  return parser;
}

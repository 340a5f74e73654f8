/** From a text to its tree. */
import type { TokenType } from "chevrotain";
import type { Expression, Script } from "./ast.js";
import { diagnose } from "./diagnostics/codes.js";
import { hasErrors, type Diagnostic } from "./diagnostics/diagnostic.js";
import { characterMeant } from "./grammar/hints.js";
import { polusParser } from "./grammar/parser.js";
import type { SourceFile } from "./source.js";
import { tokenize, UnclosedCharacter, UnclosedString, Unknown, type Lexed } from "./tokens.js";

export interface ParseResult {
  /** Null if there is any syntax error. */
  readonly script: Script | null;
  readonly diagnostics: readonly Diagnostic[];
  /**
   * Whether the only mistake is that the text ends too early (a brace, a comment or an
   * expression is open): the REPL then asks for another line.
   */
  readonly incomplete: boolean;
}

export interface ParseOptions {
  /** Whether a bare expression is a statement; for the REPL. */
  readonly interactive?: boolean;
}

/** Parses a text; never throws for what is in it. */
export function parse(file: SourceFile, options: ParseOptions = {}): ParseResult {
  const diagnostics: Diagnostic[] = [];
  const lexed = tokenize(file.text);
  reportLexing(file, lexed, diagnostics);
  const items = polusParser().parse(
    file,
    lexed.tokens,
    { interactive: options.interactive ?? false },
    diagnostics,
  );
  const failed = hasErrors(diagnostics);
  return {
    script: failed ? null : { kind: "script", span: file.span(0, file.text.length), items },
    diagnostics,
    incomplete: failed && diagnostics.every((one) => endsTooEarly(file, one)),
  };
}

/** Parses the rest of a text, from `start` on, as one expression. */
export function parseExpression(
  file: SourceFile,
  start: number,
): { readonly expression: Expression | null; readonly diagnostics: readonly Diagnostic[] } {
  const diagnostics: Diagnostic[] = [];
  const lexed = tokenize(" ".repeat(start) + file.text.slice(start));
  reportLexing(file, lexed, diagnostics);
  const expression = polusParser().parseExpression(file, lexed.tokens, diagnostics);
  return { expression: hasErrors(diagnostics) ? null : expression, diagnostics };
}

function reportLexing(file: SourceFile, lexed: Lexed, diagnostics: Diagnostic[]): void {
  for (const comment of lexed.groups["unclosedComments"] ?? []) {
    const span = file.span(comment.startOffset, comment.startOffset + 2);
    diagnostics.push(diagnose("unclosed-comment", span, undefined));
  }
  for (const token of lexed.broken) {
    const code = brokenTokens.get(token.tokenType);
    if (code === undefined) continue;
    const span = file.span(token.startOffset, token.startOffset + token.image.length);
    diagnostics.push(
      code === "unexpected-character"
        ? diagnose(
            code,
            span,
            { text: [...token.image].slice(0, 20).join("") },
            { suggestion: characterMeant(token.image) },
          )
        : diagnose(code, span, undefined),
    );
  }
}

type BrokenCode = "unexpected-character" | "unclosed-text" | "unclosed-character";

const brokenTokens: ReadonlyMap<TokenType, BrokenCode> = new Map([
  [Unknown, "unexpected-character"],
  [UnclosedString, "unclosed-text"],
  [UnclosedCharacter, "unclosed-character"],
]);

function endsTooEarly(file: SourceFile, diagnostic: Diagnostic): boolean {
  switch (diagnostic.code) {
    case "unclosed-comment":
    case "unclosed-c":
      return true;
    case "syntax":
    case "unclosed-brace":
      return (diagnostic.span?.start ?? 0) >= file.text.trimEnd().length;
    default:
      return false;
  }
}

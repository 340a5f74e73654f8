/** Syntax errors in words: what was expected, what was found, what was probably meant. */
import type {
  IParserErrorMessageProvider,
  IRecognitionException,
  IToken,
  TokenType,
} from "chevrotain";
import { EOF } from "../chevrotain.js";
import { diagnose } from "../diagnostics/codes.js";
import type { Diagnostic } from "../diagnostics/diagnostic.js";
import { didYouMean } from "../diagnostics/suggest.js";
import type { Span } from "../source.js";
import * as t from "../tokens.js";
import { expectedAtEnd, expectedInstead, meantInstead, simpleNameBefore } from "./hints.js";

/**
 * For Chevrotain: its exceptions carry only what was expected; `syntaxError` makes the
 * sentence, since it also knows the places.
 */
export const expectations: IParserErrorMessageProvider = {
  buildMismatchTokenMessage: ({ expected }) => labelOf(expected),
  buildNotAllInputParsedMessage: () => "the end of the file",
  buildNoViableAltMessage: ({ expectedPathsPerAlt, customUserDescription }) =>
    customUserDescription ?? oneOf(firstTokens(expectedPathsPerAlt)),
  buildEarlyExitMessage: ({ expectedIterationPaths, customUserDescription }) =>
    customUserDescription ?? oneOf(firstTokens([expectedIterationPaths])),
};

function labelOf(type: TokenType): string {
  if (type === EOF) return "the end of the file";
  return type.LABEL ?? `\`${type.name}\``;
}

function firstTokens(paths: readonly TokenType[][][]): string[] {
  const labels = paths.flat().flatMap((path) => (path[0] === undefined ? [] : labelOf(path[0])));
  return [...new Set(labels)];
}

function oneOf(labels: readonly string[]): string {
  const last = labels.at(-1) ?? "something else";
  return labels.length < 2 ? last : `${labels.slice(0, -1).join(", ")} or ${last}`;
}

/** A token as messages show it. */
export function describeFound(token: IToken): string {
  if (token.tokenType === EOF) return "the end of the file";
  if (t.isA(token, t.InlineC)) return "C source in braces";
  const text = token.image.length > 40 ? `${token.image.slice(0, 40)}…` : token.image;
  if (t.isA(token, t.StringText)) return `the text ${text}`;
  if (t.isA(token, t.NumberLiteral)) return `the number \`${text}\``;
  return `\`${text}\``;
}

/** Optional words of a rule, which an error at the token after them does not list. */
const optionalWords: Readonly<Record<string, readonly string[]>> = {
  patch: ["from", "after"],
  rollbackPoint: ["point", "before", "after"],
  taint: ["before", "after", "always"],
  onFailure: ["rollback", "keep", "to", "failure"],
  otherwise: ["fail", "warn"],
};

/** The diagnostic of a syntax error, given where its token and the one before stand. */
export function syntaxError(
  error: IRecognitionException,
  spans: { readonly token: Span; readonly previous: Span | undefined },
): Diagnostic {
  const { token, message: expected } = error;
  const rule = error.context?.ruleStack.at(-1) ?? "";
  if (t.isA(token, t.Mutation)) {
    const operator =
      token.image === "++" ? "+" : token.image === "--" ? "-" : token.image.slice(0, -1);
    const amount = token.image === "++" || token.image === "--" ? "1" : "…";
    const place = simpleNameBefore(spans.previous) ?? "x";
    const suggestion = `write \`set ${place} = ${place} ${operator} ${amount}\``;
    return diagnose("no-mutation", spans.token, { operator: token.image }, { suggestion });
  }
  if (t.isA(token, t.Assign) && expected !== t.Identifier.LABEL) {
    const suggestion =
      meantInstead(token, expected, spans.previous) ??
      "`==` compares; `set x = 1` changes a variable";
    return diagnose("no-assignment", spans.token, undefined, { suggestion });
  }
  const isWord = /^[A-Za-z_]/.test(token.image) && token.tokenType !== EOF;
  if (expected === t.Identifier.LABEL && isWord && !t.isA(token, t.Identifier)) {
    const suggestion = meantInstead(token, rule);
    return diagnose("reserved-word", spans.token, { name: token.image }, { suggestion });
  }
  const words = [
    ...(optionalWords[rule] ?? []),
    ...[...expected.matchAll(/`(\w+)`/g)].map((m) => m[1] ?? ""),
  ];
  const suggestion =
    (isWord ? didYouMean(token.image, words) : undefined) ??
    expectedInstead(expected, rule, token) ??
    meantInstead(token, expected, spans.previous);
  const { previous } = spans;
  const between =
    previous === undefined ? "" : previous.file.text.slice(previous.end, spans.token.start);
  if (previous !== undefined && token.tokenType !== EOF && between.includes("\n")) {
    // What is missing belongs to the line before; the next line is innocent.
    const place = previous.file.span(previous.end, previous.end);
    const help = expectedAtEnd[`${rule}:${expected}`];
    return diagnose("syntax", place, { expected }, { suggestion: help });
  }
  return diagnose("syntax", spans.token, { expected, found: describeFound(token) }, { suggestion });
}

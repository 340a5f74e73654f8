/** The names that a declaration declares, and where each stands. */
import { closingToken, isName, isParenthesisedWord, isQualifier } from "./token_walk.js";
import type { Token } from "./tokens.js";

export interface Declarator {
  readonly name: string;
  /** Token of the name. */
  readonly at: number;
  readonly start: number;
  /** The token behind it: `=`, `,`, `;`, a bit-field's `:`, or the body's `{`. */
  readonly end: number;
  /** Tokens of the initialiser without its `=`, both inclusive. */
  readonly initialiser: { readonly first: number; readonly last: number } | null;
  readonly isFunction: boolean;
  /** `[]`: its size is that of its initialiser. */
  readonly sizeless: boolean;
}

export interface Declarators {
  readonly declarators: readonly Declarator[];
  readonly specifiersEnd: number;
}

/**
 * Reads the declarators in `[first, end)`; `end` is the `;` or the body's `{`. In a function's
 * definition old style declarations of parameters may stand before the `{`.
 */
export function readDeclarators(
  tokens: readonly Token[],
  first: number,
  end: number,
  definition: boolean,
): Declarators {
  const declarators: Declarator[] = [];
  let specifiersEnd = end;
  for (let at = first; at < end;) {
    const stop = endOfDeclarator(tokens, at, end);
    const found = readDeclarator(tokens, at, stop, declarators.length === 0);
    let next = stop;
    let initialiser: Declarator["initialiser"] = null;
    if (tokens[stop]?.text === "=") {
      next = endOfInitialiser(tokens, stop + 1, end);
      initialiser = { first: stop + 1, last: next - 1 };
    } else if (tokens[stop]?.text === ":") next = endOfInitialiser(tokens, stop + 1, end);
    if (found !== null) {
      if (declarators.length === 0) specifiersEnd = found.start;
      declarators.push({ ...found, end: stop, initialiser });
    }
    if (definition) break;
    at = next + 1;
  }
  return { declarators, specifiersEnd };
}

function endOfDeclarator(tokens: readonly Token[], first: number, end: number): number {
  for (let at = first; at < end; at++) {
    const text = tokens[at]?.text ?? "";
    if (text === "(" || text === "[" || text === "{") at = closingToken(tokens, at);
    else if (text === "=" || text === "," || text === ":") return at;
  }
  return end;
}

function endOfInitialiser(tokens: readonly Token[], first: number, end: number): number {
  for (let at = first; at < end; at++) {
    const text = tokens[at]?.text ?? "";
    if (text === "(" || text === "[" || text === "{") at = closingToken(tokens, at);
    else if (text === ",") return at;
  }
  return end;
}

type Named = Pick<Declarator, "name" | "at" | "start" | "isFunction" | "sizeless">;

/** The declarator in `[first, end)`, behind the specifiers if it is the declaration's first. */
function readDeclarator(
  tokens: readonly Token[],
  first: number,
  end: number,
  withSpecifiers: boolean,
): Named | null {
  const text = (at: number): string => tokens[at]?.text ?? "";
  let name = -1;
  /** Words before the name that can be a type: with none, a lone name is the type itself. */
  let words = withSpecifiers ? 0 : 1;
  for (let at = first; at < end; at++) {
    const word = text(at);
    if (isParenthesisedWord(word) && text(at + 1) === "(") {
      if (/typeof/.test(word) || word === "_Atomic") words++;
      at = closingToken(tokens, at + 1);
    } else if (word === "struct" || word === "union" || word === "enum") {
      at = endOfTag(tokens, at);
      words++;
    } else if (word === "(") {
      const close = closingToken(tokens, at);
      if (name === at - 1 && !isWrapped(tokens, at, close)) return named(tokens, first, name, true);
      return inner(tokens, first, at, close);
    } else if (word === "[") break;
    else if (isName(word)) {
      name = at;
      words++;
    } else if (/^[A-Za-z_]/.test(word) && !isQualifier(word)) words++;
    else if (word === "*") words = Math.max(words, 1);
  }
  return name < 0 || words < 2 ? null : named(tokens, first, name, false);
}

/** `T (*f)(…)` or `T (f)(…)`, where T is a type's name: not a function T. */
function isWrapped(tokens: readonly Token[], open: number, close: number): boolean {
  const words = tokens.slice(open + 1, close).map((token) => token.text);
  const behind = tokens[close + 1]?.text;
  if (behind !== "(" && behind !== "[") return false;
  return words[0] === "*" || (words.length === 1 && isName(words[0] ?? ""));
}

/** A declarator in parentheses: its name is the first one that no attribute holds. */
function inner(tokens: readonly Token[], first: number, open: number, close: number): Named | null {
  for (let at = open + 1; at < close; at++) {
    const word = tokens[at]?.text ?? "";
    if (isParenthesisedWord(word)) at = closingToken(tokens, at + 1);
    else if (isName(word)) {
      const calls = tokens[at + 1]?.text === "(";
      const plain = tokens.slice(open + 1, at).every((token) => token.text === "(");
      const outer = tokens[close + 1]?.text === "(";
      return named(tokens, first, at, calls || (plain && outer));
    }
  }
  return null;
}

function named(tokens: readonly Token[], first: number, at: number, isFunction: boolean): Named {
  let start = at;
  for (let back = at - 1; back >= first; back--) {
    const word = tokens[back]?.text ?? "";
    if (word === "*" || word === "(") start = back;
    else if (!isQualifier(word)) break;
  }
  return {
    name: tokens[at]?.text ?? "",
    at,
    start,
    isFunction,
    sizeless: tokens[at + 1]?.text === "[" && tokens[at + 2]?.text === "]",
  };
}

/** Last token of `struct TAG { … }`, of `struct TAG`, or of `struct { … }`. */
function endOfTag(tokens: readonly Token[], keyword: number): number {
  let at = keyword + 1;
  while (isParenthesisedWord(tokens[at]?.text ?? "")) at = closingToken(tokens, at + 1) + 1;
  if (isName(tokens[at]?.text ?? "")) at++;
  if (tokens[at]?.text === "{") return closingToken(tokens, at);
  return at - 1;
}

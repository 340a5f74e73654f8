/**
 * Splits a preprocessed unit into its top-level items. Not a parser of C: which names are types is
 * never asked, so what the compiler accepts is split, GNU extensions and K&R definitions included.
 */
import { readDeclarators, type Declarator } from "./declarators.js";
import { closingToken, isParenthesisedWord } from "./token_walk.js";
import type { Token } from "./tokens.js";

export interface Item {
  /** `other`: top-level assembly, static assertions, lone semicolons. */
  readonly kind: "function" | "declaration" | "other";
  /** Tokens, both inclusive. */
  readonly first: number;
  readonly last: number;
  /** The `{` of a function's body. */
  readonly body: number | null;
  readonly declarators: readonly Declarator[];
  /** Where the first declarator begins: behind the specifiers. */
  readonly specifiersEnd: number;
  readonly storage: {
    readonly static: boolean;
    readonly extern: boolean;
    readonly typedef: boolean;
    readonly inline: boolean;
  };
  /** It defines a struct, a union or an enum beside what it declares. */
  readonly definesType: boolean;
}

const aggregates = new Set(["struct", "union", "enum"]);
const inlines = new Set(["inline", "__inline", "__inline__"]);

export function splitItems(tokens: readonly Token[]): readonly Item[] {
  const items: Item[] = [];
  for (let at = 0; at < tokens.length;) {
    const item = readItem(tokens, at);
    items.push(item);
    at = item.last + 1;
  }
  return items;
}

function readItem(tokens: readonly Token[], first: number): Item {
  const text = (at: number): string => tokens[at]?.text ?? "";
  let initialised = false;
  let definesType = false;
  for (let at = first; at < tokens.length; at++) {
    const token = text(at);
    if (token === "=") initialised = true;
    else if (token === ",") initialised = false;
    if (token === ";") {
      if (!initialised && !definesType && isOldStyle(tokens, first, at)) {
        const body = oldStyleBody(tokens, at);
        if (body !== null) return finish(tokens, first, closingToken(tokens, body), body, false);
      }
      return finish(tokens, first, at, null, definesType);
    }
    if (token === "{") {
      const close = closingToken(tokens, at);
      if (!initialised) {
        if (!isTypeBody(tokens, first, at)) return finish(tokens, first, close, at, definesType);
        definesType = true;
      }
      at = close;
    } else if (token === "(" || token === "[") at = closingToken(tokens, at);
  }
  return finish(tokens, first, tokens.length - 1, null, definesType);
}

/** Whether a `{` begins the members of a struct, union or enum. */
function isTypeBody(tokens: readonly Token[], first: number, brace: number): boolean {
  for (let at = brace - 1; at >= first; at--) {
    const text = tokens[at]?.text ?? "";
    if (aggregates.has(text)) return true;
    if (text === ")") {
      // Attributes may stand between the word and the brace.
      const open = openingToken(tokens, at, first);
      if (!isParenthesisedWord(tokens[open - 1]?.text ?? "")) return false;
      at = open - 1;
    } else if (!/^[A-Za-z_$]/.test(text)) return false;
    else if (aggregates.has(tokens[at - 1]?.text ?? "")) return true;
  }
  return false;
}

function openingToken(tokens: readonly Token[], close: number, first: number): number {
  let depth = 0;
  for (let at = close; at >= first; at--) {
    const text = tokens[at]?.text;
    if (text === ")") depth++;
    else if (text === "(" && --depth === 0) return at;
  }
  return first;
}

/** `int f(a, b) int a` so far: a list of plain names, then something that is no attribute. */
function isOldStyle(tokens: readonly Token[], first: number, semicolon: number): boolean {
  for (let at = first; at < semicolon; at++) {
    const text = tokens[at]?.text ?? "";
    if (text === "=" || text === "{" || text === "[") return false;
    if (text !== "(") continue;
    const close = closingToken(tokens, at);
    const before = tokens[at - 1]?.text ?? "";
    if (isParenthesisedWord(before)) {
      at = close;
      continue;
    }
    const names = tokens.slice(at + 1, close).map((token) => token.text);
    const plain =
      names.length > 0 &&
      names.every((name, n) => (n % 2 === 0 ? /^[A-Za-z_]/.test(name) : name === ","));
    const after = tokens[close + 1]?.text ?? "";
    return plain && /^[A-Za-z_]/.test(after) && !isParenthesisedWord(after);
  }
  return false;
}

/** The body's brace behind old style declarations of parameters, `null` if none comes. */
function oldStyleBody(tokens: readonly Token[], semicolon: number): number | null {
  for (let at = semicolon; at < tokens.length; at++) {
    const text = tokens[at]?.text ?? "";
    if (text === "(" || text === "[") at = closingToken(tokens, at);
    else if (text === "=" || text === "}") return null;
    else if (text === "{") {
      if (isTypeBody(tokens, semicolon, at)) at = closingToken(tokens, at);
      else return tokens[at - 1]?.text === ";" ? at : null;
    }
  }
  return null;
}

function finish(
  tokens: readonly Token[],
  first: number,
  last: number,
  body: number | null,
  definesType: boolean,
): Item {
  const start = tokens[first]?.text ?? "";
  const assembly = /^(asm|__asm|__asm__|_Static_assert|static_assert)$/.test(start);
  const other = first === last || assembly;
  const end = body ?? last;
  const { declarators, specifiersEnd } = other
    ? { declarators: [], specifiersEnd: first }
    : readDeclarators(tokens, first, end, body !== null);
  const words = new Set<string>();
  for (let at = first; at < specifiersEnd; at++) {
    if (tokens[at]?.text === "{") at = closingToken(tokens, at);
    else words.add(tokens[at]?.text ?? "");
  }
  return {
    kind: other ? "other" : body !== null ? "function" : "declaration",
    first,
    last,
    body,
    declarators,
    specifiersEnd,
    storage: {
      static: words.has("static"),
      extern: words.has("extern"),
      typedef: words.has("typedef"),
      inline: [...inlines].some((word) => words.has(word)),
    },
    definesType,
  };
}

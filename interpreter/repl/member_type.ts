/** The type of the expression before a `.` or `->`, read from the tokens alone: nothing is evaluated. */
import type { IToken } from "chevrotain";
import * as t from "../../lang/tokens.js";
import { EngineError, type CType, type ProgramNames } from "../../native/engine.js";
import { findMember, memberNames, plain, targetOf } from "../values/c_types.js";

/** A suffix of an expression: `.name`, `->name` or `[…]`. */
type Suffix = { readonly kind: "member"; readonly name: string } | { readonly kind: "index" };

/**
 * Names of the members that may follow.
 * @param tokens up to and with the `.` or `->`
 */
export function membersAfter(tokens: readonly IToken[], names: ProgramNames): readonly string[] {
  const type = typeEndingAt(tokens, tokens.length - 2, names);
  if (type === null) return [];
  const own = plain(type);
  const struct = own.kind === "struct" ? own : plain(targetOf(type) ?? type);
  return struct.kind === "struct" ? memberNames(struct) : [];
}

/** The type of the postfix expression whose last token is at `end`. */
function typeEndingAt(tokens: readonly IToken[], end: number, names: ProgramNames): CType | null {
  const suffixes: Suffix[] = [];
  let at = end;
  for (;;) {
    const token = tokens[at];
    if (token === undefined) return null;
    if (token.image === "]") {
      at = openingBefore(tokens, at, "[", "]") - 1;
      suffixes.unshift({ kind: "index" });
      continue;
    }
    if (token.image === ")") {
      const open = openingBefore(tokens, at, "(", ")");
      return walked(parenthesized(tokens.slice(open + 1, at), names), suffixes);
    }
    if (!t.isA(token, t.Identifier)) return null;
    const before = tokens[at - 1]?.image;
    if (before !== "." && before !== "->") {
      const query = before === "::" ? { function: tokens[at - 2]?.image ?? "" } : {};
      return walked(variableType(names, { name: token.image, ...query }), suffixes);
    }
    suffixes.unshift({ kind: "member", name: token.image });
    at -= 2;
  }
}

/** `(*p)`, `(&x)`, `((struct s *)p)`. */
function parenthesized(inner: readonly IToken[], names: ProgramNames): CType | null {
  const [first, second, third] = inner;
  if (first?.image === "(" && second !== undefined && third !== undefined) {
    const kind = second.image;
    const stars = inner.filter(({ image }) => image === "*").length;
    if (kind === "struct" || kind === "union") {
      return pointed(names.type({ kind, name: third.image }), stars);
    }
    return pointed(names.type({ kind: "typedef", name: kind }), stars);
  }
  const rest = inner.slice(1);
  if (first?.image === "*") {
    const type = typeEndingAt(rest, rest.length - 1, names);
    return type === null ? null : targetOf(type);
  }
  if (first?.image === "&") {
    return pointed(typeEndingAt(rest, rest.length - 1, names), 1);
  }
  return typeEndingAt(inner, inner.length - 1, names);
}

function pointed(type: CType | null, stars: number): CType | null {
  if (type === null) return null;
  return stars === 0 ? type : pointed({ kind: "pointer", target: type }, stars - 1);
}

/** Where the bracket that closes at `close` opens; -1 if nowhere. */
function openingBefore(
  tokens: readonly IToken[],
  close: number,
  open: string,
  closing: string,
): number {
  let depth = 0;
  for (let at = close; at >= 0; at--) {
    const image = tokens[at]?.image;
    if (image === closing) depth++;
    else if (image === open && --depth === 0) return at;
  }
  return -1;
}

function variableType(
  names: ProgramNames,
  query: { readonly name: string; readonly function?: string },
): CType | null {
  try {
    const entity = names.entity(query);
    return entity.kind === "variable" ? entity.type : null;
  } catch (error) {
    if (error instanceof EngineError) return null;
    throw error;
  }
}

function walked(type: CType | null, suffixes: readonly Suffix[]): CType | null {
  let at = type;
  for (const suffix of suffixes) {
    if (at === null) return null;
    if (suffix.kind === "index") {
      at = targetOf(at);
      continue;
    }
    const own = plain(at);
    const struct = own.kind === "struct" ? own : plain(targetOf(at) ?? own);
    at = struct.kind === "struct" ? (findMember(struct, suffix.name)?.type ?? null) : null;
  }
  return at;
}

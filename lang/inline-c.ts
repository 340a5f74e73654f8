/**
 * Where a patch's raw C begins and ends: `patch NAME { c { … } … }`. What stands
 * between the braces follows C's rules, not ours, so the lexer must take it whole.
 */
import type { CustomPatternMatcherFunc, IToken } from "chevrotain";

/**
 * Chevrotain's custom matcher: at a `{` after the word `c` directly inside a patch's
 * braces, takes everything up to the matching `}` (to the end of the text if there is
 * none; the parser says so).
 */
export const matchInlineC: CustomPatternMatcherFunc = (text, offset, tokens) => {
  if (text[offset] !== "{" || !startsRawC(tokens)) return null;
  return [text.slice(offset, endOfRawC(text, offset))];
};

/** Offset after the `}` that matches the `{` at `offset`; the text's length if there is none. */
export function endOfRawC(text: string, offset: number): number {
  let depth = 0;
  for (let at = offset; at < text.length; at++) {
    const next = text[at];
    if (next === "{") depth++;
    else if (next === "}" && --depth === 0) return at + 1;
    else if (next === '"' || next === "'") at = endOfQuoted(text, at) - 1;
    else if (next === "/" && (text[at + 1] === "/" || text[at + 1] === "*")) {
      at = endOfComment(text, at) - 1;
    }
  }
  return text.length;
}

/** A string or character ends at its quote, or (an error in C) at the end of the line. */
function endOfQuoted(text: string, start: number): number {
  const quote = text[start];
  for (let at = start + 1; at < text.length; at++) {
    if (text[at] === "\\") at++;
    else if (text[at] === quote) return at + 1;
    else if (text[at] === "\n") return at;
  }
  return text.length;
}

function endOfComment(text: string, start: number): number {
  if (text[start + 1] === "*") {
    const end = text.indexOf("*/", start + 2);
    return end < 0 ? text.length : end + 2;
  }
  let at = start + 2;
  // A backslash at its end carries a line comment on into the next line.
  while (at < text.length && text[at] !== "\n") {
    at += text[at] === "\\" ? (text.startsWith("\r\n", at + 1) ? 3 : 2) : 1;
  }
  return Math.min(at, text.length);
}

/** Whether the tokens so far end with the word `c` as an item of a patch. */
function startsRawC(tokens: readonly IToken[]): boolean {
  const image = (index: number) => tokens[index]?.image ?? "";
  let at = tokens.length - 1;
  if (image(at) !== "c") return false;
  const before = image(at - 1);
  const introducesName = ["replace", "with", "data", "in"].includes(before);
  // `replace data c {`: there `data` is itself the name that `replace` introduces.
  if (introducesName && !["replace", "with"].includes(image(at - 2))) return false;
  let depth = 0;
  for (at--; at >= 0; at--) {
    if (image(at) === "}") depth++;
    else if (image(at) === "{" && depth-- === 0) return opensPatch(tokens, at);
  }
  return false;
}

/** Whether the `{` at `brace` belongs to `patch NAME [from "…"] [after a, b]`, an item of an update. */
function opensPatch(tokens: readonly IToken[], brace: number): boolean {
  const image = (index: number) => tokens[index]?.image ?? "";
  for (let at = brace - 1; at >= 0; at--) {
    const text = image(at);
    if (text === "{" || text === "}" || text === ";") return false;
    // `patch patch {`: the first of the two is the keyword.
    if (text !== "patch" || image(at - 1) === "patch" || !isPatchHead(tokens, at, brace)) continue;
    // `check patch recover {`: there `patch` is a variable.
    return image(brace - 1) !== "recover" || !insideTaint(tokens, at);
  }
  return false;
}

/** Whether only what may stand there stands between `patch` and its brace; the name may be missing. */
function isPatchHead(tokens: readonly IToken[], patch: number, brace: number): boolean {
  const words = tokens.slice(patch + 1, brace).map(({ image }) => image);
  const head = words.map((word) => (word.startsWith('"') ? '"' : word)).join(" ");
  return /^([\w$]+ ?)?(from "? ?)?(after [\w$ ,]*)?$/.test(head);
}

/** Whether the innermost brace that is open before a token is that of a taint. */
function insideTaint(tokens: readonly IToken[], before: number): boolean {
  const image = (index: number) => tokens[index]?.image ?? "";
  let depth = 0;
  for (let at = before - 1; at >= 0; at--) {
    if (image(at) === "}") depth++;
    else if (image(at) === "{" && depth-- === 0) {
      return image(at - 1) === "always" || ["before", "after"].includes(image(at - 2));
    }
  }
  return false;
}

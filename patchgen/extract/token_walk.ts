/** Steps over what stands in brackets. */
import type { Token } from "./tokens.js";

const closes: Readonly<Record<string, string>> = { "(": ")", "[": "]", "{": "}" };

/** The token that closes the bracket at `open`; the last one where the text ends before. */
export function closingToken(tokens: readonly Token[], open: number): number {
  const opening = tokens[open]?.text ?? "";
  const closing = closes[opening];
  let depth = 0;
  for (let at = open; at < tokens.length; at++) {
    const text = tokens[at]?.text;
    if (text === opening) depth++;
    else if (text === closing && --depth === 0) return at;
  }
  return tokens.length - 1;
}

const parenthesised =
  /^(__attribute__|__attribute|asm|__asm|__asm__|typeof|__typeof|__typeof__|__typeof_unqual__|_Alignas|_Atomic|__declspec|_Static_assert|_BitInt)$/;

/** Words whose parentheses hold neither parameters nor a declarator. */
export function isParenthesisedWord(word: string): boolean {
  return parenthesised.test(word);
}

const keywords = new Set(
  (
    "auto break case char const continue default do double else enum extern float for goto if inline int " +
    "long register restrict return short signed sizeof static struct switch typedef union unsigned void " +
    "volatile while _Bool _Complex _Noreturn _Thread_local __thread __extension__ __const __const__ " +
    "__volatile __volatile__ __restrict __restrict__ __signed __signed__ __inline __inline__ _Float128 " +
    "__int128 __builtin_va_list __label__ __auto_type __complex__ __float128"
  ).split(" "),
);

/** A name, as far as C's own words are none. */
export function isName(word: string): boolean {
  return /^[A-Za-z_$]/.test(word) && !keywords.has(word) && !parenthesised.test(word);
}

const qualifiers = new Set(
  "const volatile restrict __const __const__ __volatile __volatile__ __restrict __restrict__".split(
    " ",
  ),
);

export function isQualifier(word: string): boolean {
  return qualifiers.has(word);
}

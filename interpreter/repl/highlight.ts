/** Syntax colours: of what is typed, and of values that are printed. */
import type { IToken } from "chevrotain";
import * as t from "../../lang/tokens.js";
import { isWord, tokenize } from "../../lang/tokens.js";

export type Highlighter = (text: string) => string;

const styles = {
  keyword: "1;34",
  type: "36",
  text: "32",
  number: "33",
  comment: "2",
  command: "35",
  name: "36",
  address: "35",
} as const;

type Style = keyof typeof styles;

function paint(style: Style, text: string): string {
  return `\u001b[${styles[style]}m${text}\u001b[0m`;
}

/** Words that stand between operands, not at the beginning of anything. */
const innerWords: ReadonlySet<string> = new Set([
  "within",
  "in",
  "with",
  "from",
  "after",
  "before",
  "to",
  "until",
  "point",
  "failure",
  "always",
]);

/** The colours of an input line or block; its length on the screen stays the same. */
export function highlightInput(text: string): string {
  const command = /^(\s*)(\.[A-Za-z]\w*)/.exec(text);
  if (command !== null) {
    const [all = "", blanks = "", word = ""] = command;
    return `${blanks}${paint("command", word)}${text.slice(all.length)}`;
  }
  return highlightCode(text, true);
}

function highlightCode(text: string, words: boolean): string {
  const { tokens, groups } = tokenize(text);
  const comments = [...(groups["comments"] ?? []), ...(groups["unclosedComments"] ?? [])];
  const all = [...tokens, ...comments].sort((a, b) => a.startOffset - b.startOffset);
  let result = "";
  let at = 0;
  let previous: IToken | undefined;
  for (const token of all) {
    const end = token.startOffset + token.image.length;
    const isComment = comments.includes(token);
    const drawn = isComment
      ? paint("comment", token.image)
      : drawToken(token, previous, text, words);
    result += text.slice(at, token.startOffset) + drawn;
    at = end;
    if (!isComment) previous = token;
  }
  return result + text.slice(at);
}

function drawToken(
  token: IToken,
  previous: IToken | undefined,
  text: string,
  words: boolean,
): string {
  const { image } = token;
  if (t.isA(token, t.InlineC)) {
    const end = image.endsWith("}") ? -1 : image.length;
    return `{${highlightCode(image.slice(1, end), false)}${end === -1 ? "}" : ""}`;
  }
  const style = styleOf(token, previous, text, words);
  return style === undefined ? image : paint(style, image);
}

function styleOf(
  token: IToken,
  previous: IToken | undefined,
  text: string,
  words: boolean,
): Style | undefined {
  if (t.isA(token, t.StringText) || t.isA(token, t.CharacterText)) return "text";
  if (t.isA(token, t.NumberLiteral)) return "number";
  if (t.isA(token, t.BasicType)) return "type";
  if (t.isA(token, t.Identifier)) {
    if (["true", "false", "NULL"].includes(token.image)) return "number";
    return words && isWord(token.tokenType) && isKeywordHere(token, previous, text)
      ? "keyword"
      : undefined;
  }
  return /^[a-z_]/i.test(token.image) ? "keyword" : undefined;
}

/** A word of the language may also name something: where it stands tells. */
function isKeywordHere(token: IToken, previous: IToken | undefined, text: string): boolean {
  if (previous === undefined) return true;
  const between = text.slice(previous.startOffset + previous.image.length, token.startOffset);
  const { image } = previous;
  if (image === "." || image === "->" || image === "=") return false;
  if (token.image === "call") return true;
  if (between.includes("\n") || ["{", "}", ";"].includes(image)) return true;
  return innerWords.has(token.image) && /[\w)\]"']$/.test(image);
}

/** Colours of a printed value: texts, numbers, pointers with their symbols, member names. */
export function highlightValue(text: string): string {
  return text.replace(
    /("(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')|(0x[0-9a-f]+(?: ?<[^>\n]*>)?|<[A-Za-z_][^>\n]*>)|([A-Za-z_$][\w$]*)(?=\s*=)|(?<![\w.])(-?\d[\w.+]*)/g,
    (all, quoted?: string, address?: string, name?: string) =>
      paint(
        quoted !== undefined
          ? "text"
          : address !== undefined
            ? "address"
            : name !== undefined
              ? "name"
              : "number",
        all,
      ),
  );
}

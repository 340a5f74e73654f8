/**
 * The tokens of a preprocessed unit, each with its place in the original file. `gcc -E
 * -fdebug-cpp` (gcc's manual, "Preprocessor Options") puts the place where each token is spelled
 * before it, macros' bodies included, as `{P:file;F:…;L:line;C:column;S:…;M:…;E:…,LOC:…,R:…}`.
 */
import type { SourceText } from "./source_text.js";

export interface Token {
  readonly text: string;
  /** Preprocessed file and line that it belongs to, by line markers: of a macro's use, not its body. */
  readonly file: string;
  readonly line: number;
  /** Where the main file has it literally; `null` for what comes from a header or a macro's body. */
  readonly offset: number | null;
}

const place =
  /\{P:([^\n]*?);F:[^\n;]*;L:(-?\d+);C:(-?\d+);S:-?\d+;M:[^;]*;E:(-?\d+),LOC:\d+,R:\d+\}/g;
const marker = /^# (\d+) "((?:[^"\\]|\\.)*)"/;

/** Reads gcc's output; `main` is the file that was given to it, named as it was given. */
export function readTokens(output: string, mainPath: string, main: SourceText): readonly Token[] {
  const tokens: Token[] = [];
  const position = { file: mainPath, line: 1 };
  place.lastIndex = 0;
  let match = place.exec(output);
  advance(position, output.slice(0, match?.index ?? output.length));
  /** Within `#pragma …`, which the source keeps as it is. */
  let inDirective = false;
  while (match !== null) {
    const [whole, path, line, column, expanded] = match;
    const start = match.index + whole.length;
    match = place.exec(output);
    const chunk = output.slice(start, match?.index ?? output.length);
    if (/^[ \t]*#(pragma|ident)\b/.test(chunk)) inDirective = true;
    if (inDirective) {
      if (chunk.includes("\n")) inDirective = false;
      advance(position, chunk);
      continue;
    }
    const text = tokenOf(chunk);
    // A line marker may stand between the place and the token.
    advance(position, chunk.slice(0, chunk.length - chunk.trimStart().length));
    if (text === "") {
      advance(position, chunk.trimStart());
      continue;
    }
    const at = chunk.indexOf(text);
    advance(position, chunk.slice(0, at));
    const literal = path === mainPath && expanded === "0";
    tokens.push({
      text,
      ...position,
      offset: literal ? main.literal(Number(line), Number(column), text) : null,
    });
    advance(position, chunk.slice(at + text.length));
  }
  return inOrder(tokens);
}

/** The token in the text up to the next place; line markers are none. */
function tokenOf(chunk: string): string {
  return chunk.replace(/^# \d+ ".*$/gm, "").trim();
}

function advance(position: { file: string; line: number }, text: string): void {
  if (!text.includes("\n")) return;
  const lines = text.split("\n");
  lines.forEach((line, at) => {
    if (at > 0) position.line++;
    const found = marker.exec(line);
    if (found === null || at === lines.length - 1) return;
    // The marker tells the line that follows it.
    position.line = Number(found[1]) - 1;
    position.file = (found[2] ?? "").replace(/\\(.)/g, "$1");
  });
}

/** A macro's argument that is used twice or in another order is literal only once. */
function inOrder(tokens: readonly Token[]): readonly Token[] {
  let last = -1;
  return tokens.map((token) => {
    if (token.offset === null) return token;
    if (token.offset <= last) return { ...token, offset: null };
    last = token.offset;
    return token;
  });
}

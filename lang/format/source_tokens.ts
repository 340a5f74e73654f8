/**
 * A script's tokens with what stands between them. The formatter prints every token
 * of the source in its order and every comment in its own gap, so that nothing can get
 * lost and the tree can only change where a line break means something.
 */
import type { TokenType } from "chevrotain";
import type { SourceFile } from "../source.js";
import { tokenize, Semicolon } from "../tokens.js";

export interface Comment {
  /** As written, with its `//` or its `/*` and end. */
  readonly text: string;
  /** Whether it is `// …`, which reaches up to the end of its line. */
  readonly toEndOfLine: boolean;
  /** Line breaks between what comes before (a token or a comment) and this. */
  readonly newlinesBefore: number;
}

/** What stands between two tokens. */
export interface Gap {
  readonly comments: readonly Comment[];
  /** Line breaks between the last comment (or the token before) and the next token. */
  readonly newlinesAfter: number;
  /** Whether a line break stands anywhere in it, as the grammar sees it: in a comment too. */
  readonly breaksLine: boolean;
  /** Whether a `;` stood in it; none is among the tokens. */
  readonly semicolon: boolean;
}

export interface SourceToken {
  /** Null at the end of the text. */
  readonly type: TokenType | null;
  readonly image: string;
  /** Offsets in the text. */
  readonly start: number;
  readonly end: number;
  readonly before: Gap;
}

interface Piece {
  readonly type: TokenType | null;
  readonly image: string;
  readonly start: number;
  readonly comment: boolean;
}

/** The tokens of a script without syntax errors, and one for its end. */
export function sourceTokens(file: SourceFile): readonly SourceToken[] {
  const { text } = file;
  const tokens: SourceToken[] = [];
  let comments: Comment[] = [];
  let end = 0;
  let tokenEnd = 0;
  let semicolon = false;
  for (const piece of pieces(text)) {
    if (piece.type === Semicolon) {
      semicolon = true;
      continue;
    }
    const newlines = countNewlines(text, end, piece.start);
    end = piece.start + piece.image.length;
    if (piece.comment) {
      const toEndOfLine = piece.image.startsWith("//");
      comments.push({ text: piece.image, toEndOfLine, newlinesBefore: newlines });
      continue;
    }
    const breaksLine = countNewlines(text, tokenEnd, piece.start) > 0;
    const before = { comments, newlinesAfter: newlines, breaksLine, semicolon };
    tokens.push({ type: piece.type, image: piece.image, start: piece.start, end, before });
    comments = [];
    tokenEnd = end;
    semicolon = false;
  }
  return tokens;
}

/** Tokens and comments in the order of the text. */
function pieces(text: string): readonly Piece[] {
  const { tokens, groups } = tokenize(text);
  const all: Piece[] = [];
  for (const { tokenType, image, startOffset } of tokens) {
    all.push({ type: tokenType, image, start: startOffset, comment: false });
  }
  for (const { tokenType, image, startOffset } of groups["comments"] ?? []) {
    all.push({ type: tokenType, image, start: startOffset, comment: true });
  }
  all.sort((a, b) => a.start - b.start);
  all.push({ type: null, image: "", start: text.length, comment: false });
  return all;
}

function countNewlines(text: string, start: number, end: number): number {
  let count = 0;
  for (let at = text.indexOf("\n", start); at >= 0 && at < end; at = text.indexOf("\n", at + 1)) {
    count++;
  }
  return count;
}

/**
 * Hands out a script's tokens as documents, in their order: first the gap before a
 * token, then the token. Whoever prints a node asks for exactly its tokens; a printer
 * that forgot one would be found out at the next, before anything was written.
 */
import type { TokenType } from "chevrotain";
import type { Doc } from "prettier";
import { builders } from "prettier/doc";
import type { SourceFile } from "../source.js";
import * as t from "../tokens.js";
import { hasNewline, printGap, type GapStyle } from "./gaps.js";
import { sourceTokens, type Gap, type SourceToken } from "./source_tokens.js";

const { join, literalline } = builders;

/** The formatter and the parser disagree on a text: a fault of ours, never the text's. */
export class FormatterError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "FormatterError";
  }
}

export class TokenPrinter {
  readonly #tokens: SourceToken[];
  /** Index of the next token. */
  #at = 0;
  /** Whether the gap before the next token is printed already. */
  #gapPrinted = false;
  #itemEnd = 0;

  constructor(readonly file: SourceFile) {
    this.#tokens = [...sourceTokens(file)];
  }

  // --- looking ----------------------------------------------------------------------

  /** The token at a distance: 0 is the next one, -1 the one printed last. */
  peek(distance = 0): SourceToken | undefined {
    return this.#tokens[this.#at + distance];
  }

  get next(): SourceToken {
    const token = this.peek();
    if (token === undefined) throw new FormatterError("there are no more tokens");
    return token;
  }

  get atEnd(): boolean {
    return this.next.type === null;
  }

  isNext(type: TokenType): boolean {
    return this.next.type === type;
  }

  /**
   * Whether the grammar might take the token at a distance for the beginning of an item
   * if it were the first on its line: a word of the language before arguments, braces or
   * another operand. Such an operand never becomes the first on its line.
   */
  #mayBeginItem(distance: number): boolean {
    const type = this.peek(distance)?.type ?? null;
    const following = this.peek(distance + 1);
    if (type === null || !t.isWord(type)) return false;
    // The next item always begins on another line.
    if (!following?.type || following.start >= this.#itemEnd) return false;
    return t.isWord(following.type) || beginOperands.has(following.type);
  }

  /** Whether the token printed last is a name or a word. */
  get previousIsName(): boolean {
    const type = this.peek(-1)?.type ?? null;
    return type !== null && (type === t.Identifier || t.isWord(type));
  }

  // --- printing ---------------------------------------------------------------------

  /** To be called before an item of a list is printed; `end` is the offset of its end. */
  beginItem(end: number): void {
    this.#itemEnd = end;
  }

  /** The gap before the next token; a break that might change the meaning is given up. */
  gap(style: GapStyle): Doc {
    return this.#gap(this.#mayBeginItem(0) ? unbreakable(style) : style);
  }

  #gap(style: GapStyle): Doc {
    const around = { previous: this.peek(-1)?.image ?? "", next: this.next.image };
    return this.customGap((gap) => printGap(gap, style, around));
  }

  /** The gap before the next token, printed by the caller. */
  customGap(print: (gap: Gap) => Doc): Doc {
    if (this.#gapPrinted) throw new FormatterError("a gap is printed twice");
    this.#gapPrinted = true;
    return print(this.next.before);
  }

  /** The next token, whose gap is printed already. */
  image(): Doc {
    if (!this.#gapPrinted || this.atEnd) throw new FormatterError("a token is printed too early");
    const { image } = this.next;
    this.#at++;
    this.#gapPrinted = false;
    return image.includes("\n") ? join(literalline, image.split("\n")) : image;
  }

  /** The next token with the gap before it. */
  token(style: GapStyle): Doc {
    const gap = this.gap(style);
    return [gap, this.image()];
  }

  /** A keyword inside of an item, before which a line may always break. */
  keyword(style: GapStyle): Doc {
    return [this.#gap(style), this.image()];
  }

  /** Tokens separated by blanks up to an offset. */
  tokensTo(end: number, style: GapStyle = "space"): Doc {
    const parts: Doc[] = [];
    while (!this.atEnd && this.next.start < end) parts.push(this.token(style));
    return parts;
  }

  /** The source as it is from the next token, whose gap is printed already, to an offset. */
  verbatim(end: number): Doc {
    const { start } = this.next;
    while (!this.atEnd && this.next.start < end) this.#at++;
    this.#gapPrinted = false;
    return join(literalline, this.file.text.slice(start, end).split("\n"));
  }

  // --- moving comments --------------------------------------------------------------

  /** Moves what stands before the next token behind it, so that the token is not cut off by a comment. */
  moveCommentsBehindNext(): void {
    const token = this.next;
    const following = this.peek(1);
    const { comments } = token.before;
    if (following === undefined || comments.length === 0) return;
    this.#tokens[this.#at] = {
      ...token,
      before: { ...token.before, comments: [], newlinesAfter: 0, breaksLine: false },
    };
    this.#tokens[this.#at + 1] = {
      ...following,
      before: {
        ...following.before,
        comments: [...comments, ...following.before.comments],
        breaksLine: following.before.breaksLine || token.before.breaksLine,
      },
    };
  }

  /** Whether there are comments before the next token, and line breaks beside them. */
  get commentsBreakLine(): boolean {
    const { before } = this.next;
    return (
      before.comments.length > 0 &&
      [...before.comments, undefined].some((_, index) => hasNewline(before, index))
    );
  }

  /** A sign that belongs to what stands before it, after which the line may break: `,`, an operator. */
  separator(style: "none" | "space"): Doc {
    if (this.commentsBreakLine && !this.#mayBeginItem(1)) this.moveCommentsBehindNext();
    return this.token(style);
  }
}

/** What an operand or what follows a name begins with, but for the words of the language. */
const beginOperands: ReadonlySet<TokenType> = new Set([
  t.Identifier,
  t.NumberLiteral,
  t.StringText,
  t.CharacterText,
  t.Sizeof,
  t.LeftParenthesis,
  t.LeftBrace,
]);

function unbreakable(style: GapStyle): GapStyle {
  switch (style) {
    case "line":
      return "space";
    case "soft":
      return "none";
    default:
      return style;
  }
}

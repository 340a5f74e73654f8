/**
 * What is printed between two tokens of one item: blanks, breaks and comments. Every
 * rule here is stable: what it prints, read again, makes it print the same.
 */
import type { Doc } from "prettier";
import { builders } from "prettier/doc";
import type { Comment, Gap } from "./source_tokens.js";

const { hardline, indent, line, literalline, softline } = builders;

/**
 * How a gap looks without comments:
 * - `none`, `space`: nothing or a blank, never a line break;
 * - `flush`: like `space`; what follows a line comment in it is not indented;
 * - `soft`, `line`: a place where the enclosing group may break, else nothing or a blank;
 * - `closing`: like `soft`, before the bracket that ends an indented part;
 * - `kept`: with the line breaks that the source has, since they mean something; the
 *   caller indents them.
 */
export type GapStyle = "none" | "space" | "flush" | "soft" | "line" | "closing" | "kept";

export interface Neighbours {
  /** Image of the token before, empty at the start. */
  readonly previous: string;
  readonly next: string;
}

/** A gap of the inside of an item as a document. */
export function printGap(gap: Gap, style: GapStyle, around: Neighbours): Doc {
  const { comments } = gap;
  if (comments.length === 0) return plainGap(style);
  const boundaries = comments.map((_, index) => printBoundary(gap, index, style, around));
  const last = printBoundary(gap, comments.length, style, around);
  const parts = comments.map((comment, index): Doc => {
    const followed = index + 1 < comments.length ? boundaries[index + 1] : last;
    return [boundaries[index] ?? "", printComment(comment, followed === hardline)];
  });
  switch (style) {
    case "closing":
      return [indent(parts), last];
    case "none":
    case "space":
      return indent([...parts, last]);
    default:
      return [...parts, last];
  }
}

function plainGap(style: GapStyle): Doc {
  switch (style) {
    case "none":
      return "";
    case "soft":
    case "closing":
      return softline;
    case "line":
      return line;
    case "kept":
      return hardline;
    default:
      return " ";
  }
}

/** What stands before comment `index` of a gap, or after the last one. */
function printBoundary(gap: Gap, index: number, style: GapStyle, around: Neighbours): Doc {
  const { comments } = gap;
  const comment = comments[index];
  const forced = comments[index - 1]?.toEndOfLine === true;
  const broken = hasNewline(gap, index);
  const blank = blankAt(gap, index, style, around);
  if (forced) return hardline;
  switch (style) {
    case "kept":
      return broken ? hardline : blank;
    case "none":
    case "space":
    case "flush":
      // Among block comments line breaks are dropped: nothing holds them on a line of their own.
      return broken && comment?.toEndOfLine === true ? hardline : blank;
    default:
  }
  if (isRigid(gap)) return broken ? hardline : blank;
  if (index !== breakPosition(gap, style)) return blank;
  return style !== "line" && (index === 0 || style === "closing") ? softline : line;
}

/** Whether the comments of a breakable gap stay on the lines on which they are. */
function isRigid(gap: Gap): boolean {
  if (gap.comments.some(({ toEndOfLine }) => toEndOfLine)) return true;
  const breaks = [...gap.comments, undefined].filter((_, index) => hasNewline(gap, index));
  return breaks.length >= 2;
}

/** The one boundary of a breakable gap at which its group breaks. */
function breakPosition(gap: Gap, style: GapStyle): number {
  const end = gap.comments.length;
  if (style === "closing") return end;
  for (let index = 0; index <= end; index++) if (hasNewline(gap, index)) return index;
  return 0;
}

/** Whether the source breaks the line before comment `index`, or after the last. */
export function hasNewline(gap: Gap, index: number): boolean {
  return newlinesAt(gap, index) > 0;
}

/** Line breaks of the source before comment `index`, or after the last. */
export function newlinesAt(gap: Gap, index: number): number {
  const newlines = gap.comments[index]?.newlinesBefore ?? gap.newlinesAfter;
  // A comment that was moved here may end its line although nothing says so.
  return gap.comments[index - 1]?.toEndOfLine === true ? Math.max(1, newlines) : newlines;
}

function blankAt(gap: Gap, index: number, style: GapStyle, around: Neighbours): Doc {
  const comment = gap.comments[index];
  if (index === 0 && comment?.toEndOfLine === false && style !== "space" && style !== "line") {
    if (around.previous === "(" || around.previous === "[") return "";
  }
  if (index === gap.comments.length && [")", "]", ","].includes(around.next)) return "";
  return " ";
}

/**
 * A comment. A last one on its line does not count when it is asked whether the line
 * is too long, as no line break could make it shorter.
 */
export function printComment(comment: Comment, endsLine: boolean): Doc {
  const text = comment.toEndOfLine ? comment.text.trimEnd() : printBlockComment(comment.text);
  return endsLine ? builders.lineSuffix(text) : text;
}

/** A comment whose lines all begin with `*` moves with its code; any other stays as it is. */
function printBlockComment(text: string): Doc {
  if (!text.includes("\n")) return text;
  const lines = text.split("\n");
  const [first = "", ...rest] = lines.map((one) => one.trim());
  if (!rest.every((one) => one.startsWith("*"))) return builders.join(literalline, lines);
  return builders.join(hardline, [first, ...rest.map((one) => ` ${one}`)]);
}

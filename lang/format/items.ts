/**
 * Lists of items, each on its line: the file itself and all that stands in braces.
 * One blank line between items stays. Comments before the first line break after an
 * item go with it, all others stand before what follows them.
 */
import type { Doc } from "prettier";
import { builders } from "prettier/doc";
import type { Span } from "../source.js";
import * as t from "../tokens.js";
import { newlinesAt, printComment } from "./gaps.js";
import type { Gap, SourceToken } from "./source_tokens.js";
import type { TokenPrinter } from "./token_printer.js";

const { hardline, indent, line } = builders;

export interface Item {
  readonly kind: string;
  readonly span: Span;
}

/** Prints one item, the gap before which is printed already. */
export type PrintItem<T> = (p: TokenPrinter, item: T) => Doc;

/** Kinds of items that have braces of their own. */
const bracedKinds: ReadonlySet<string> = new Set([
  "recipe",
  "update",
  "target",
  "patch",
  "data",
  "inline-c",
  "taint",
  "recover",
  "if",
  "while",
  "for",
]);

/**
 * ` { … }`. A single item without braces of its own stays on the line if it stands
 * there in the source and the group of the caller fits.
 */
export function printBraces<T extends Item>(
  p: TokenPrinter,
  items: readonly T[],
  print: PrintItem<T>,
): Doc {
  if (p.commentsBreakLine) p.moveCommentsBehindNext();
  const open = p.token("space");
  const [only] = items;
  if (only === undefined) return [open, printEmptyInside(p), p.image()];
  const { comments, newlinesAfter } = p.next.before;
  const oneLine =
    items.length === 1 &&
    !bracedKinds.has(only.kind) &&
    newlinesAfter === 0 &&
    comments.length === 0 &&
    !isIgnored(p.next.before) &&
    endsWithoutComment(p, only);
  if (!oneLine) {
    const inside = printItems(p, items, print);
    return [open, indent(inside), p.customGap(() => hardline), p.image()];
  }
  const item = [p.customGap(() => line), printOne(p, only, print)];
  return [open, indent(item), p.customGap(() => line), p.image()];
}

/** The whole of a file. */
export function printFile<T extends Item>(
  p: TokenPrinter,
  items: readonly T[],
  print: PrintItem<T>,
): Doc {
  if (items.length === 0) {
    const { before } = p.next;
    const end = before.comments.length;
    return end === 0 ? "" : [printLines(before, 0, end, { open: true }), hardline];
  }
  return [printItems(p, items, print), hardline];
}

/** Items with all that stands before, between and after them, but for the last line break. */
function printItems<T extends Item>(
  p: TokenPrinter,
  items: readonly T[],
  print: PrintItem<T>,
): Doc {
  const parts: Doc[] = [];
  items.forEach((item, index) => {
    const ignored = isIgnored(p.next.before);
    const opens = index === 0;
    parts.push(p.customGap((gap) => printLeading(gap, opens, p.peek(-1) === undefined)));
    parts.push(ignored ? p.verbatim(item.span.end) : printOne(p, item, print));
    if (index < items.length - 1 && needsSemicolon(p)) parts.push(";");
  });
  parts.push(printTrailing(p.next.before));
  return parts;
}

function printOne<T extends Item>(p: TokenPrinter, item: T, print: PrintItem<T>): Doc {
  p.beginItem(item.span.end);
  return print(p, item);
}

/**
 * The gap before an item. Without any line break in it, its comments stand before the
 * item; else those before the first one end the line of what is there already.
 */
function printLeading(gap: Gap, opens: boolean, startsFile: boolean): Doc {
  const end = gap.comments.length;
  if (startsFile) return printLines(gap, 0, end);
  const broken = firstBreak(gap) ?? 0;
  return [
    printTrailingComments(gap, broken),
    hardline,
    // The first line in braces is never blank.
    newlinesAt(gap, broken) > 1 && !(opens && broken === 0) ? hardline : "",
    printLines(gap, broken, end),
  ];
}

/** The gap after the last item, up to the last line break. */
function printTrailing(gap: Gap): Doc {
  const end = gap.comments.length;
  const broken = firstBreak(gap) ?? end;
  const trailing = printTrailingComments(gap, broken);
  if (broken === end) return trailing;
  return [
    trailing,
    hardline,
    newlinesAt(gap, broken) > 1 ? hardline : "",
    printLines(gap, broken, end, { open: true }),
  ];
}

function printEmptyInside(p: TokenPrinter): Doc {
  return p.customGap((gap): Doc => {
    const end = gap.comments.length;
    if (end === 0) return "";
    const broken = firstBreak(gap) ?? 0;
    const trailing = printTrailingComments(gap, broken);
    if (broken === end) return [trailing, hardline];
    return [indent([trailing, hardline, printLines(gap, broken, end, { open: true })]), hardline];
  });
}

/** The first boundary of a gap at which the source breaks the line. */
function firstBreak(gap: Gap): number | undefined {
  for (let index = 0; index <= gap.comments.length; index++) {
    if (newlinesAt(gap, index) > 0) return index;
  }
  return undefined;
}

/** ` // …` behind what is on the line. */
function printTrailingComments(gap: Gap, end: number): Doc {
  return gap.comments
    .slice(0, end)
    .map((comment) => [builders.lineSuffix(" "), printComment(comment, true)]);
}

/**
 * The comments from `start` on, which is first on its line, each with what separates it
 * from the next comment or token; with `open` nothing stands after the last one.
 */
function printLines(
  gap: Gap,
  start: number,
  end: number,
  options: { readonly open: boolean } = { open: false },
): Doc {
  const parts: Doc[] = [];
  for (let index = start; index < end; index++) {
    const comment = gap.comments[index];
    if (comment === undefined) break;
    const newlines = newlinesAt(gap, index + 1);
    const last = index === end - 1;
    parts.push(printComment(comment, last && options.open));
    if (last && options.open) break;
    parts.push(newlines === 0 ? " " : newlines === 1 ? hardline : [hardline, hardline]);
  }
  return parts;
}

/** Whether the author wants the following item left as it is. */
function isIgnored(gap: Gap): boolean {
  const text = gap.comments.at(-1)?.text ?? "";
  return /^(?:\/\/|\/\*)\s*prettier-ignore\s*(?:\*\/)?$/.test(text);
}

/** Whether no comment stands between the end of an item and the brace after it. */
function endsWithoutComment(p: TokenPrinter, item: Item): boolean {
  let distance = 0;
  for (let token = p.peek(); token !== undefined; token = p.peek(++distance)) {
    if (token.start >= item.span.end) {
      return token.type === t.RightBrace && token.before.comments.length === 0;
    }
  }
  return false;
}

/**
 * Whether the `;` of the source stays: after a `patch` that is a name, the braces that
 * come next might be taken for those of a patch, in which `c {` begins C source.
 */
function needsSemicolon(p: TokenPrinter): boolean {
  if (!p.next.before.semicolon || nextBrace(p, 1)?.type !== t.LeftBrace) return false;
  const behind = nextBrace(p, -1)?.end ?? 0;
  for (let distance = -1; ; distance--) {
    const token = p.peek(distance);
    if (token === undefined || token.start < behind) return false;
    if (token.type === t.Patch) return true;
  }
}

/** The nearest brace from here, backward or forward. */
function nextBrace(p: TokenPrinter, step: 1 | -1): SourceToken | undefined {
  let distance = step === 1 ? 0 : -1;
  for (let token = p.peek(distance); token !== undefined; token = p.peek((distance += step))) {
    if (token.type === t.LeftBrace || token.type === t.RightBrace) return token;
  }
  return undefined;
}

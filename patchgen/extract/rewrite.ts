/** The patch's text of one unit: the new original source, without what the program has. */
import { renderSource, renderTokens, spanOf } from "./edits.js";
import type { Fates } from "./fates.js";
import type { Item } from "./items.js";
import { endOfOpaque } from "./source_text.js";
import { ItemRenderer, type Rendering } from "./render_item.js";
import { directivesIn } from "./edits.js";
import { tidy } from "./tidy.js";
import type { Unit } from "./unit.js";
import type { UnitObjects } from "./unit_objects.js";

interface Segment {
  readonly start: number;
  end: number;
  readonly items: Item[];
}

/** The unit's text with every item as its fate says. */
export function rewrite(
  unit: Unit,
  fates: Fates,
  sizeOf: (name: string, host: string | null) => number | null,
  objects: UnitObjects,
): string {
  const renderer = new ItemRenderer(unit, fates, sizeOf, objects);
  let text = "";
  let at = 0;
  for (const segment of segmentsOf(unit)) {
    const between = unit.source.text.slice(at, segment.start);
    const rendered = renderSegment(unit, renderer, segment);
    // A removed item takes the comment that stands directly before it along.
    text += rendered === null ? withoutLastComment(between) : between + rendered;
    if (rendered === null) text += directivesIn(unit.source, segment.start, segment.end);
    at = segment.end;
  }
  return tidy(text + unit.source.text.slice(at));
}

/** Text of a segment, `null` if nothing of it is left. */
function renderSegment(unit: Unit, renderer: ItemRenderer, segment: Segment): string | null {
  const renderings = segment.items.map((item) => [item, renderer.render(item)] as const);
  if (renderings.every(([, { kind }]) => kind === "remove")) return null;
  if (renderings.every(([, { kind }]) => kind === "leave")) {
    return unit.source.text.slice(segment.start, segment.end);
  }
  const start = renderings.length === 1 ? segment.start : null;
  return renderings.map(([item, rendering]) => textOf(unit, item, rendering, start)).join("\n");
}

/** `start`: where the item's text begins, if it does not share it with others. */
function textOf(unit: Unit, item: Item, rendering: Rendering, start: number | null): string {
  const { source, tokens } = unit;
  const nothing = { replaced: new Map(), before: new Map(), removed: [], suffix: "" };
  switch (rendering.kind) {
    case "remove":
      return "";
    case "text":
      return rendering.text;
    case "leave":
      return renderTokens(tokens, item, nothing);
    case "edit": {
      const { edit, prefix } = rendering;
      const span = spanOf(tokens, item);
      const original = start === null ? null : renderSource(source, tokens, item, edit);
      if (original === null || start === null || span === null)
        return prefix + renderTokens(tokens, item, edit);
      return prefix + source.text.slice(start, span.start) + original;
    }
  }
}

/** Where the unit's own items stand; those that one use of a macro makes stand together. */
function segmentsOf(unit: Unit): readonly Segment[] {
  const segments: Segment[] = [];
  let cursor = 0;
  for (const item of unit.items) {
    if (!unit.isOwn(item)) continue;
    const literal = spanOf(unit.tokens, item) ?? macroSpan(unit, item, cursor);
    const span = { ...literal, start: beforeMacro(unit, literal.start) };
    const last = segments.at(-1);
    const before = last?.items.at(-1);
    const together = before !== undefined && isOneUse(unit, before, item);
    if (last !== undefined && (span.start < last.end || together)) {
      last.items.push(item);
      last.end = Math.max(last.end, span.end);
    } else segments.push({ ...span, items: [item] });
    cursor = Math.max(cursor, span.end);
  }
  return segments;
}

/** `DECLARE(int) f(void)` begins with the name of a macro, whose argument is the item's first token. */
function beforeMacro({ source }: Unit, start: number): number {
  let at = start;
  for (;;) {
    const use = /[A-Za-z_]\w*[ \t]*\([ \t]*$/.exec(source.text.slice(Math.max(at - 128, 0), at));
    if (use === null) return at;
    at -= use[0].length;
  }
}

/** Whether an item begins in the very use of a macro in which the one before it ends. */
function isOneUse(unit: Unit, before: Item, item: Item): boolean {
  const end = unit.tokens[before.last];
  const start = unit.tokens[item.first];
  if (end === undefined || start === undefined) return false;
  return end.offset === null && start.offset === null && end.line === start.line;
}

/** The place of an item that begins or ends in a macro: from the macro's name behind its arguments. */
function macroSpan(unit: Unit, item: Item, cursor: number): { start: number; end: number } {
  const { source, tokens } = unit;
  const first = tokens[item.first];
  let start = first?.offset ?? Math.max(source.lineStart(first?.line ?? 1), 0);
  if ((first?.offset ?? null) === null) {
    if (start < cursor && source.lineOf(cursor) === first?.line) start = cursor;
    start += /^[ \t]*/.exec(source.text.slice(start, start + 4096))?.[0].length ?? 0;
  }
  let end = start;
  for (let at = item.first; at <= item.last; at++) {
    const token = tokens[at];
    const offset = token?.offset ?? null;
    if (offset !== null) end = Math.max(end, offset + (token?.text.length ?? 0));
  }
  const literalEnd = (tokens[item.last]?.offset ?? null) !== null;
  const open = literalEnd ? 0 : openParentheses(source.text, start, end);
  return { start, end: literalEnd ? end : endOfMacroUse(source.text, end, open) };
}

/** How many are open at `to`: the last argument of a macro may be the last that an item has literally. */
function openParentheses(text: string, from: number, to: number): number {
  let depth = 0;
  for (let at = from; at < to;) {
    const after = endOfOpaque(text, at);
    if (after === at && text.charAt(at) === "(") depth++;
    else if (after === at && text.charAt(at) === ")") depth--;
    at = Math.max(after, at + 1);
  }
  return Math.max(depth, 0);
}

function endOfMacroUse(text: string, from: number, open: number): number {
  let at = from;
  let depth = open;
  for (let end = from; at < text.length;) {
    const after = endOfOpaque(text, at);
    const character = text.charAt(at);
    if (after > at) at = after;
    else if (/\s/.test(character)) {
      // A name is followed by its arguments or stands at the end of its line.
      if (depth === 0 && character === "\n" && !/^\s*\(/.test(text.slice(at, at + 256))) return end;
      at++;
    } else if (character === "(") {
      depth++;
      at++;
    } else if (character === ")") {
      at++;
      if (--depth <= 0) return depth < 0 ? end : at;
    } else if (depth === 0 && !/[\w$]/.test(character)) return end;
    else at++;
    if (depth === 0 && at > 0 && !/\s/.test(text.charAt(at - 1))) end = at;
  }
  return at;
}

function withoutLastComment(text: string): string {
  const cut = text.replace(/\/\*(?:(?!\*\/)[\s\S])*\*\/[ \t]*\n?[ \t]*$/, "");
  return cut === text ? text.replace(/(?:^|\n)(?:[ \t]*\/\/[^\n]*\n)+[ \t]*$/, "\n") : cut;
}

/**
 * Changes to one item, told by tokens. They are made in the original text where every token that
 * they touch stands there literally; what a macro made is written out from its tokens instead.
 */
import type { Item } from "./items.js";
import type { SourceText } from "./source_text.js";
import type { Token } from "./tokens.js";

export interface Edits {
  readonly replaced: ReadonlyMap<number, string>;
  readonly before: ReadonlyMap<number, string>;
  /** Ranges of tokens, both inclusive. */
  readonly removed: readonly { readonly first: number; readonly last: number }[];
  readonly suffix: string;
}

export class ItemEditor implements Edits {
  readonly replaced = new Map<number, string>();
  readonly before = new Map<number, string>();
  readonly removed: { readonly first: number; readonly last: number }[] = [];
  suffix = "";

  replace(token: number, text: string): void {
    this.replaced.set(token, text);
  }

  insertBefore(token: number, text: string): void {
    this.before.set(token, (this.before.get(token) ?? "") + text);
  }

  remove(first: number, last: number): void {
    if (last >= first) this.removed.push({ first, last });
  }

  isEmpty(): boolean {
    return this.replaced.size + this.before.size + this.removed.length === 0 && this.suffix === "";
  }

  /** Appends text behind the item. */
  append(text: string): void {
    this.suffix += text;
  }
}

/** The item's place in the original text; `null` where its ends are a macro's. */
export function spanOf(
  tokens: readonly Token[],
  item: Pick<Item, "first" | "last">,
): { readonly start: number; readonly end: number } | null {
  const first = tokens[item.first];
  const last = tokens[item.last];
  if (first === undefined || last === undefined || first.offset === null || last.offset === null)
    return null;
  return { start: first.offset, end: last.offset + last.text.length };
}

/** The item's original text with the edits made; `null` where one touches what is not there literally. */
export function renderSource(
  source: SourceText,
  tokens: readonly Token[],
  item: Pick<Item, "first" | "last">,
  edits: Edits,
): string | null {
  const span = spanOf(tokens, item);
  if (span === null) return null;
  const changes: { start: number; end: number; text: string }[] = [];
  const place = (token: number): { start: number; end: number } | null =>
    spanOf(tokens, { first: token, last: token });
  for (const [token, text] of edits.replaced) {
    const at = place(token);
    if (at === null) return null;
    changes.push({ ...at, text });
  }
  for (const [token, text] of edits.before) {
    const at = place(token);
    if (at === null) return null;
    changes.push({ start: at.start, end: at.start, text });
  }
  for (const range of edits.removed) {
    const at = spanOf(tokens, range);
    if (at === null) return null;
    changes.push({ ...at, text: directivesIn(source, at.start, at.end) });
  }
  // What is inserted before a token comes before its replacement.
  changes.sort((left, right) => left.start - right.start || left.end - right.end);
  let text = "";
  let at = span.start;
  for (const change of changes) {
    text += source.text.slice(at, change.start).replace(/[ \t]+$/, change.text === "" ? "" : "$&");
    text += change.text;
    at = Math.max(at, change.end);
    // A word that goes takes the blanks behind it along.
    if (change.text === "") at += /^[ \t]*/.exec(source.text.slice(at, at + 64))?.[0].length ?? 0;
  }
  return text + source.text.slice(at, span.end) + edits.suffix;
}

/** Directives stay when what is around them goes: conditionals, and macros that others use. */
export function directivesIn(source: SourceText, start: number, end: number): string {
  const lines = source.directives
    .filter((directive) => directive.start >= start && directive.end <= end)
    .map((directive) => source.text.slice(directive.start, directive.end));
  return lines.length === 0 ? "" : `\n${lines.join("")}`;
}

/** The item written out from its tokens, with the edits made. */
export function renderTokens(
  tokens: readonly Token[],
  item: Pick<Item, "first" | "last">,
  edits: Edits,
): string {
  let text = "";
  let depth = 0;
  for (let at = item.first; at <= item.last; at++) {
    text += edits.before.get(at) ?? "";
    if (edits.removed.some(({ first, last }) => at >= first && at <= last)) continue;
    const word = edits.replaced.get(at) ?? tokens[at]?.text ?? "";
    if (word === "{") depth++;
    if (word === "}") depth--;
    const tight =
      /^[;,)\]]$/.test(word) || /[([]$/.test(text) || text === "" || text.endsWith("\n");
    text += (tight ? "" : " ") + word;
    if ((word === ";" || word === "{" || word === "}") && at < item.last) {
      text += `\n${"  ".repeat(Math.max(depth, 0))}`.replace(/^\n$/, depth > 0 ? "\n" : " ");
    }
  }
  return text + edits.suffix;
}

/** Tokens as text of one line. */
export function joined(tokens: readonly Token[], first: number, last: number): string {
  return renderTokens(tokens, { first, last }, new ItemEditor()).replace(/\s*\n\s*/g, " ");
}

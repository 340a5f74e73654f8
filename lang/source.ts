/**
 * Source texts and places in them. Everything that points into a script does so
 * by a `Span` of character offsets; lines and columns are derived here only.
 */

/** A half-open range `[start, end)` of UTF-16 offsets into one file's text. */
export interface Span {
  readonly file: SourceFile;
  readonly start: number;
  readonly end: number;
}

/** A place as people count: both from 1, the column in characters (code points). */
export interface Place {
  readonly line: number;
  readonly column: number;
}

/** One text with a name: a script, an imported file, a line of the REPL, a `--var`. */
export class SourceFile {
  /** Offset at which each line starts; made on first use, since most runs need no place. */
  #lineStarts: readonly number[] | undefined;

  constructor(
    /** As messages show it; for a file on disk the path that was asked for. */
    readonly path: string,
    readonly text: string,
  ) {}

  /** Spans are part of plans and records that are written as JSON: the path stands for the file. */
  toJSON(): string {
    return this.path;
  }

  /** A span of this file, clamped to its text. */
  span(start: number, end: number): Span {
    const length = this.text.length;
    const from = Math.min(Math.max(0, start), length);
    return { file: this, start: from, end: Math.min(Math.max(from, end), length) };
  }

  /** Line and column of an offset; an offset past the end is the end. */
  place(offset: number): Place {
    const starts = this.#starts();
    const at = Math.min(Math.max(0, offset), this.text.length);
    let low = 0;
    let high = starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((starts[middle] ?? 0) <= at) low = middle;
      else high = middle - 1;
    }
    const lineStart = starts[low] ?? 0;
    return { line: low + 1, column: codePoints(this.text, lineStart, at) + 1 };
  }

  /** The text of a line (from 1) without its line break; empty beyond the end. */
  line(line: number): string {
    const starts = this.#starts();
    const start = starts[line - 1];
    if (start === undefined) return "";
    const next = starts[line] ?? this.text.length + 1;
    return this.text.slice(start, next - 1).replace(/\r$/, "");
  }

  /** Offset of the first character of a line (from 1); the end of the text beyond the last. */
  lineStart(line: number): number {
    return this.#starts()[line - 1] ?? this.text.length;
  }

  get lineCount(): number {
    return this.#starts().length;
  }

  #starts(): readonly number[] {
    if (this.#lineStarts === undefined) {
      const starts = [0];
      for (let at = this.text.indexOf("\n"); at >= 0; at = this.text.indexOf("\n", at + 1)) {
        starts.push(at + 1);
      }
      this.#lineStarts = starts;
    }
    return this.#lineStarts;
  }
}

/** Where a span begins. */
export function placeOf(span: Span): Place {
  return span.file.place(span.start);
}

/** The text that a span covers. */
export function textOf(span: Span): string {
  return span.file.text.slice(span.start, span.end);
}

/** From the start of one span to the end of another of the same file. */
export function joinSpans(first: Span, last: Span): Span {
  return first.file.span(first.start, Math.max(first.end, last.end));
}

/** The first word of what a span covers: enough to point at a clause or a statement. */
export function firstWord(span: Span): Span {
  const length = /^\w+/.exec(textOf(span))?.[0].length ?? 1;
  return span.file.span(span.start, span.start + length);
}

function codePoints(text: string, start: number, end: number): number {
  let count = 0;
  for (let at = start; at < end; count++) {
    at += (text.codePointAt(at) ?? 0) > 0xffff ? 2 : 1;
  }
  return count;
}

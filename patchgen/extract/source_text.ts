/** A C file's own text: its lines, its directives, and what stands between tokens. */

interface Range {
  readonly start: number;
  readonly end: number;
}

export class SourceText {
  #starts: readonly number[] | null = null;
  #directives: readonly Range[] | null = null;

  constructor(readonly text: string) {}

  /** Offset of each line. */
  private get starts(): readonly number[] {
    this.#starts ??= findLines(this.text);
    return this.#starts;
  }

  /** Ranges of directives with their continuation lines, in order. */
  get directives(): readonly Range[] {
    this.#directives ??= findDirectives(this.text);
    return this.#directives;
  }

  /** Offset of a line (from 1). */
  lineStart(line: number): number {
    return this.starts[Math.min(Math.max(line, 1), this.starts.length) - 1] ?? 0;
  }

  /** Line (from 1) of an offset. */
  lineOf(offset: number): number {
    let low = 0;
    let high = this.starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.starts[middle] ?? 0) <= offset) low = middle;
      else high = middle - 1;
    }
    return low + 1;
  }

  /**
   * Offset of a token that the compiler places there (column in bytes, from 1), or `null` if the
   * text has something else there or it lies in a directive, so in a macro's body.
   */
  literal(line: number, column: number, token: string): number | null {
    const start = this.lineStart(line);
    const rest = this.text.slice(start, start + column - 1);
    // Columns count bytes of UTF-8.
    const offset = /^[\x20-\x7e\t]*$/.test(rest)
      ? start + column - 1
      : start +
        Buffer.from(this.text.slice(start), "utf8")
          .subarray(0, column - 1)
          .toString().length;
    if (!this.text.startsWith(token, offset)) return null;
    return this.inDirective(offset) ? null : offset;
  }

  inDirective(offset: number): boolean {
    return this.directives.some(({ start, end }) => offset >= start && offset < end);
  }
}

/** What a lexer of C passes over without looking into it. */
const opaque =
  /\/\*[\s\S]*?(?:\*\/|$)|\/\/(?:\\\r?\n|[^\n])*|"(?:\\[\s\S]|[^"\\\n])*"?|'(?:\\[\s\S]|[^'\\\n])*'?/y;

/** End of the comment, string or character that begins at an offset; the offset itself if none does. */
export function endOfOpaque(text: string, offset: number): number {
  opaque.lastIndex = offset;
  return opaque.test(text) ? opaque.lastIndex : offset;
}

function findLines(text: string): readonly number[] {
  const starts = [0];
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) starts.push(at + 1);
  return starts;
}

function findDirectives(text: string): readonly Range[] {
  const found: Range[] = [];
  let lineIsBlank = true;
  for (let at = 0; at < text.length;) {
    const character = text.charAt(at);
    if (character === "#" && lineIsBlank) {
      const start = text.lastIndexOf("\n", at - 1) + 1;
      const end = endOfDirective(text, at);
      found.push({ start, end });
      at = end;
      continue;
    }
    const after = endOfOpaque(text, at);
    if (after > at) {
      const comment = character === "/";
      if (!comment) lineIsBlank = false;
      at = after;
      continue;
    }
    if (character === "\n") lineIsBlank = true;
    else if (!/\s/.test(character)) lineIsBlank = false;
    at++;
  }
  return found;
}

/** Behind the line break that ends a directive; comments and continuations may lead over several lines. */
function endOfDirective(text: string, hash: number): number {
  for (let at = hash; at < text.length;) {
    if (text.startsWith("\\\n", at)) at += 2;
    else if (text.startsWith("\\\r\n", at)) at += 3;
    else if (text.charAt(at) === "\n") return at + 1;
    else {
      // An apostrophe in `#error don't` begins no character constant.
      const opens = text.startsWith("/*", at) || text.startsWith("//", at);
      const after = opens ? endOfOpaque(text, at) : at;
      at = after > at ? after : at + 1;
    }
  }
  return text.length;
}

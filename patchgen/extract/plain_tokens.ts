/** The tokens of preprocessed units with the file that each belongs to, but not its place there. */
import type { Token } from "./tokens.js";

/** White space and comments are gone; the longest token counts, as in C. */
const token =
  /(?<=^|\n)#[^\n]*|(?:u8|[LuU])?"(?:\\[\s\S]|[^"\\])*"|[LuU]?'(?:\\[\s\S]|[^'\\])*'|[A-Za-z_$\x80-\xff][\w$\x80-\xff]*|\.?\d(?:[eEpP][+-]|[\w.])*|\.\.\.|<<=|>>=|->|\+\+|--|<<|>>|<=|>=|==|!=|&&|\|\||[-+*/%&^|]=|##|\S|\n/g;
const marker = /^# (\d+) "((?:[^"\\]|\\.)*)"/;

/** Reads units; what many of them include is read once. */
export class PlainTokens {
  readonly #stretches = new Map<string, readonly Token[]>();
  readonly #words = new Map<string, string>();

  /** Reads what the preprocessor writes; `main` is the file that was given to it. */
  read(text: string, main: string): readonly Token[] {
    return text.split(/^(?=# \d)/m).flatMap((stretch) => {
      const known = this.#stretches.get(stretch) ?? this.#readStretch(stretch, main);
      if (stretch.startsWith("#")) this.#stretches.set(stretch, known);
      return known;
    });
  }

  /** A marker and what follows it. */
  #readStretch(stretch: string, main: string): readonly Token[] {
    const tokens: Token[] = [];
    let file = main;
    let line = 1;
    for (const [part] of stretch.matchAll(token)) {
      if (part === "\n") line++;
      else if (!part.startsWith("#") || part.length < 3) {
        tokens.push({ text: this.#shared(part), file, line, offset: null });
      } else {
        const found = marker.exec(part);
        // Its own line's end comes next. Pragmas stay as they are in the source.
        if (found === null) continue;
        line = Number(found[1]) - 1;
        file = this.#shared((found[2] ?? "").replace(/\\(.)/g, "$1"));
      }
    }
    return tokens;
  }

  #shared(word: string): string {
    const before = this.#words.get(word);
    if (before !== undefined) return before;
    this.#words.set(word, word);
    return word;
  }
}

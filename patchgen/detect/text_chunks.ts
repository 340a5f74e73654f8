/** Preprocessed text, taken apart at the file's own level: quicker than `splitItems`, and for comparing only. */

/**
 * Declarations and definitions in order, each on one line; pragmas are chunks of their own. A function that is
 * defined in an unusual way may be in one chunk with what follows it.
 */
export function chunksOf(withMarkers: string): readonly string[] {
  const text = withoutMarkers(withMarkers);
  const chunks: string[] = [];
  let start = 0;
  for (const end of endsOfChunks(text)) {
    // No string goes over a line's end.
    const chunk = text
      .slice(start, end)
      .trim()
      .replace(/\s*\n\s*/g, " ");
    if (chunk !== "") chunks.push(chunk);
    start = end;
  }
  return chunks;
}

/** Puts numbers in the place of a word, which begin anew in each chunk: they do not tell what stands before it. */
export function numbered(text: string, word: string, first: number): string {
  if (!text.includes(word)) return text;
  let result = "";
  let start = 0;
  for (const end of endsOfChunks(text)) {
    let number = first;
    result += text.slice(start, end).replaceAll(word, () => String(number++));
    start = end;
  }
  return result;
}

function* endsOfChunks(text: string): Generator<number> {
  let start = 0;
  let depth = 0;
  let isBody = false;
  for (let at = 0; at < text.length; at++) {
    let end = start;
    switch (text.charAt(at)) {
      case '"':
      case "'":
        at = endOfQuoted(text, at);
        break;
      case "#":
        if (at > 0 && text.charAt(at - 1) !== "\n") break;
        if (depth === 0) yield at;
        at = Math.max(text.indexOf("\n", at), at);
        if (depth === 0) end = at + 1;
        break;
      case "{":
        if (depth === 0) isBody = beginsBody(text.slice(start, at));
        depth++;
        break;
      case "(":
      case "[":
        depth++;
        break;
      case ")":
      case "]":
        depth--;
        break;
      case "}":
        depth--;
        if (depth === 0 && isBody) end = at + 1;
        break;
      case ";":
        if (depth === 0) end = at + 1;
        break;
    }
    if (end > start) {
      yield end;
      start = end;
    }
  }
  yield text.length;
}

/** `# 12 "file.h" 2`; pragmas begin otherwise. */
export function withoutMarkers(text: string): string {
  return text.replace(/^# \d.*\n/gm, "");
}

/** The quote that closes the one at an offset. */
function endOfQuoted(text: string, open: number): number {
  const quote = text.charAt(open);
  for (let at = open + 1; at < text.length; at++) {
    const character = text.charAt(at);
    if (character === "\\") at++;
    else if (character === quote || character === "\n") return at;
  }
  return text.length;
}

/** `int f(int a)` comes before; not what may be a type with attributes, or an initialiser. */
function beginsBody(head: string): boolean {
  return /\)\s*$/.test(head) && !/=|__attribute/.test(head);
}

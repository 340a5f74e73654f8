/** The words of a command line as `compile_commands.json` spells it in its `command` field. */

/**
 * Splits as a POSIX shell would, without expansions: the format's `command` is a quoted argument
 * vector, nothing else. `null` if a quote is left open.
 */
export function shellWords(line: string): readonly string[] | null {
  const words: string[] = [];
  let word: string | null = null;
  let quote: "'" | '"' | null = null;
  for (let at = 0; at < line.length; at++) {
    const character = line.charAt(at);
    if (quote === "'") {
      if (character === "'") quote = null;
      else word += character;
    } else if (quote === '"') {
      const next = line.charAt(at + 1);
      if (character === '"') quote = null;
      else if (character === "\\" && next !== "" && '"\\$`\n'.includes(next)) {
        word += next === "\n" ? "" : next;
        at++;
      } else word += character;
    } else if (character === "'" || character === '"') {
      quote = character;
      word ??= "";
    } else if (character === "\\" && at + 1 < line.length) {
      word = (word ?? "") + line.charAt(++at);
    } else if (/\s/.test(character)) {
      if (word !== null) words.push(word);
      word = null;
    } else word = (word ?? "") + character;
  }
  if (quote !== null) return null;
  if (word !== null) words.push(word);
  return words;
}

/**
 * Strings that come from a target, a file or another user are never written to
 * a terminal as they are: a control sequence in an executable's name would run.
 */

/** C0 and C1 controls, DEL, bidirectional overrides, line separators. */
// oxlint-disable-next-line no-control-regex
const unsafe = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/gu;
const loneSurrogate = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;

const named: Readonly<Record<string, string>> = {
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
  "\u001b": "\\e",
};

function escapeCharacter(character: string): string {
  const code = character.charCodeAt(0);
  return (
    named[character] ??
    (code < 0x100
      ? `\\x${code.toString(16).padStart(2, "0")}`
      : `\\u${code.toString(16).padStart(4, "0")}`)
  );
}

/** One line of text that is safe on a terminal; controls become `\n`, `\e`, `\x07`, `\u202e`. */
export function escapeLine(text: string): string {
  return text.replace(unsafe, escapeCharacter).replace(loneSurrogate, "\ufffd");
}

/** Like `escapeLine`, but newlines and tabs stay (text of several lines that we composed). */
export function escapeBlock(text: string): string {
  return text
    .replace(unsafe, (character) =>
      character === "\n" || character === "\t" ? character : escapeCharacter(character),
    )
    .replace(loneSurrogate, "\ufffd");
}

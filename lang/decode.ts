/** From a script's bytes to its text. */
import { diagnose } from "./diagnostics/codes.js";
import type { Diagnostic } from "./diagnostics/diagnostic.js";
import { SourceFile } from "./source.js";

/**
 * Decodes UTF-8; a byte order mark at the beginning is no part of the text.
 * @param shown the path as messages show it
 * @returns the text, with replacement characters where `problem` says that it is no UTF-8
 */
export function decodeScript(
  shown: string,
  bytes: Uint8Array,
): { readonly source: SourceFile; readonly problem?: Diagnostic } {
  const text = new TextDecoder("utf-8").decode(bytes);
  const source = new SourceFile(shown, text);
  const broken = firstInvalidUtf8(text, bytes);
  if (broken === undefined) return { source };
  return { source, problem: diagnose("not-utf8", source.span(broken, broken + 1), undefined) };
}

/** Offset in `text` of the first byte that is not UTF-8; undefined if all is. */
function firstInvalidUtf8(text: string, bytes: Uint8Array): number | undefined {
  if (!text.includes("\ufffd")) return undefined;
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return undefined;
  } catch {
    // Some replacement character stands for broken bytes, though others may be genuine.
    // All before the first broken byte is valid, so its length in bytes is known.
    let start = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0;
    let counted = 0;
    for (let at = text.indexOf("\ufffd"); at >= 0; at = text.indexOf("\ufffd", at + 1)) {
      start += Buffer.byteLength(text.slice(counted, at));
      counted = at;
      const genuine =
        bytes[start] === 0xef && bytes[start + 1] === 0xbf && bytes[start + 2] === 0xbd;
      if (!genuine) return at;
    }
    return 0;
  }
}

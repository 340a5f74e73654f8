/**
 * Assembler names by which a patch names the running program's objects, as the engine reads them
 * (`parseLabel` in native/resolve/imports.ts): `name$` a global, `name$file.c` a static of a file.
 */

/** Of what assembles and links without quotes in a label, only `$` and `.` are left as separators. */
function escaped(file: string, keepsDots: boolean): string {
  return file.replace(/[^A-Za-z0-9_]/g, (character) =>
    keepsDots && character === "."
      ? character
      : [...Buffer.from(character, "utf8")]
          .map((byte) => `$${byte.toString(16).padStart(2, "0")}`)
          .join(""),
  );
}

/** A global variable or function of the program. */
export function globalLabel(name: string): string {
  return `${name}$`;
}

/** A static one; `symbol` is `name`, or `name.18` of a static local. */
export function staticLabel(symbol: string, file: string): string {
  return `${symbol}$${escaped(file, true)}`;
}

/** The same label as a C identifier, for `#pragma redefine_extname`. */
export function identifierLabel(name: string, file: string): string {
  return `${name}$${escaped(file, false)}`;
}

/** By what a label names a unit's file: its base name, or its path where another unit has the same. */
export function labelFile(source: string, sources: readonly string[]): string {
  const base = (path: string): string => path.slice(path.lastIndexOf("/") + 1);
  const same = sources.filter((other) => base(other) === base(source));
  return same.length > 1 ? source : base(source);
}

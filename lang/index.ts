/** The front end's door: a script's path goes in, a checked script or diagnostics come out. */
import { resolve } from "node:path";
import type { CheckedScript } from "./check/checked.js";
import { checkScript } from "./check/check.js";
import { loadFiles } from "./check/imports.js";
import type { Diagnostic } from "./diagnostics/diagnostic.js";
import { diskFiles, type FileAccess } from "./files.js";

export type * from "./ast.js";
export type * from "./check/checked.js";
export { settleCasts } from "./casts.js";
export { codes, type Code } from "./diagnostics/codes.js";
export {
  diagnosticRecord,
  hasErrors,
  type Diagnostic,
  type DiagnosticRecord,
  type Note,
  type Severity,
} from "./diagnostics/diagnostic.js";
export { escapeText, renderDiagnostic, renderDiagnostics } from "./diagnostics/render.js";
export { didYouMean, nearest } from "./diagnostics/suggest.js";
export { diskFiles, type FileAccess, type ProbeResult, type ReadResult } from "./files.js";
export { parse, type ParseResult } from "./parse.js";
export { placeOf, SourceFile, textOf, type Place, type Span } from "./source.js";

export interface LoadOptions {
  /** Folder that `import "std/NAME"` reads from. */
  readonly stdlib: string;
  /** `--var` options, each `NAME=VALUE`. */
  readonly vars?: readonly string[];
  /** By default the disk. */
  readonly files?: FileAccess;
}

export interface LoadResult {
  /** Null if any of the diagnostics is an error. */
  readonly script: CheckedScript | null;
  /** In the order of files and places; warnings may be there beside a script. */
  readonly diagnostics: readonly Diagnostic[];
}

/**
 * Reads, parses and checks a script with all that it imports. Touches no process and
 * throws for nothing that is in the files.
 */
export function loadScript(path: string, options: LoadOptions): LoadResult {
  const diagnostics: Diagnostic[] = [];
  const files = options.files ?? diskFiles;
  const root = loadFiles(path, { files, stdlib: resolve(options.stdlib) }, diagnostics);
  // With a syntax error whole declarations are missing: what refers to them is not wrong.
  const script =
    root === null || root.script === null
      ? null
      : checkScript(root, { files, vars: options.vars ?? [] }, diagnostics);
  return { script, diagnostics: inOrder(diagnostics) };
}

/** Each file's diagnostics together, by place; files in the order in which they came up. */
function inOrder(diagnostics: readonly Diagnostic[]): readonly Diagnostic[] {
  const files = [...new Set(diagnostics.map(({ span }) => span?.file))];
  return [...diagnostics].sort(
    (a, b) =>
      files.indexOf(a.span?.file) - files.indexOf(b.span?.file) ||
      (a.span?.start ?? 0) - (b.span?.start ?? 0),
  );
}

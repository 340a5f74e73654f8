/** What is said about a script (or, with the interpreter's own codes, about a target). */
import { placeOf, type Span } from "../source.js";

export type Severity = "error" | "warning";

export interface Note {
  readonly message: string;
  readonly span?: Span;
}

export interface Diagnostic {
  readonly severity: Severity;
  /** Stable words joined by hyphens: `unknown-patch`. */
  readonly code: string;
  /** One sentence without a closing full stop; may hold unescaped text of the script. */
  readonly message: string;
  /** Absent only where nothing of the script is meant. */
  readonly span?: Span;
  readonly notes: readonly Note[];
  /** What to do about it: ``did you mean `print`?``. */
  readonly suggestion?: string;
}

/** The fields of a `diagnostic` event of `--json`; what is unknown is null. */
export interface DiagnosticRecord {
  readonly severity: Severity;
  readonly code: string;
  readonly file: string | null;
  readonly line: number | null;
  readonly column: number | null;
  readonly message: string;
  readonly suggestion: string | null;
}

/** The machine's form of a diagnostic; notes are for people only. */
export function diagnosticRecord(diagnostic: Diagnostic): DiagnosticRecord {
  const place = diagnostic.span === undefined ? undefined : placeOf(diagnostic.span);
  return {
    severity: diagnostic.severity,
    code: diagnostic.code,
    file: diagnostic.span?.file.path ?? null,
    line: place?.line ?? null,
    column: place?.column ?? null,
    message: diagnostic.message,
    suggestion: diagnostic.suggestion ?? null,
  };
}

/** Whether any of them is an error. */
export function hasErrors(diagnostics: readonly Diagnostic[]): boolean {
  return diagnostics.some((one) => one.severity === "error");
}

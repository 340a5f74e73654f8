/** What goes wrong while an expression is evaluated, at which part of it. */
import type { Span } from "../../lang/source.js";

export interface EvaluationErrorOptions {
  readonly suggestion?: string | undefined;
  /** The target does not have what is named: seen before anything is read. */
  readonly refused?: boolean;
}

export class EvaluationError extends Error {
  readonly suggestion: string | undefined;
  readonly refused: boolean;

  constructor(
    /** Stable, lower case with hyphens. */
    readonly code: EvaluationCode,
    readonly span: Span,
    message: string,
    options: EvaluationErrorOptions = {},
  ) {
    super(message);
    this.name = "EvaluationError";
    this.suggestion = options.suggestion;
    this.refused = options.refused ?? false;
  }
}

export type EvaluationCode =
  /** A variable, function, enumerator or type that the target does not have. */
  | "unknown-name"
  | "ambiguous-name"
  | "unknown-type"
  | "unknown-member"
  /** Known by its symbol only: a cast of its address says what it is. */
  | "untyped"
  /** One for each of several threads. */
  | "thread-local"
  | "null-pointer"
  | "wild-pointer"
  | "incomplete-type"
  | "wrong-operand"
  | "division-by-zero"
  | "shift-out-of-range"
  | "index-out-of-range"
  | "not-assignable"
  | "value-out-of-range"
  | "text-too-long"
  | "list-cycle"
  | "list-too-long"
  | "too-large"
  | "wrong-argument"
  | "call-failed"
  | "no-value"
  | "engine";

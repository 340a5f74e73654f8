/** What goes wrong while statements run: where in the script, in which recipes, and what it means. */
import type { Note } from "../../lang/diagnostics/diagnostic.js";
import type { Span } from "../../lang/source.js";
import type { FailureKind } from "../../native/engine.js";
import { diagnose } from "../diagnose.js";

/** A recipe that is being run, and where it was called. */
export interface RecipeCall {
  readonly recipe: string;
  readonly span: Span;
}

export interface ScriptErrorParts {
  /** Stable, lower case with hyphens. */
  readonly code: string;
  readonly message: string;
  readonly span: Span;
  readonly notes?: readonly Note[];
  readonly suggestion?: string | null | undefined;
  /** `refused`: the target does not fit, seen before this statement changed anything. */
  readonly kind?: FailureKind;
}

export class ScriptError extends Error {
  readonly span: Span;
  readonly kind: FailureKind;
  private readonly parts: ScriptErrorParts;
  /** Of which process; null where it is about none. */
  readonly pid: number | null;

  constructor(
    parts: ScriptErrorParts,
    /** Innermost last. */
    readonly calls: readonly RecipeCall[],
    pid: number | null,
  ) {
    super(parts.message);
    this.name = "ScriptError";
    this.parts = parts;
    this.span = parts.span;
    this.kind = parts.kind ?? "failed";
    this.pid = pid;
  }

  /** With the chain of callers, innermost first. */
  diagnostic(severalProcesses: boolean): ReturnType<typeof diagnose> {
    const { code, message, span, notes = [], suggestion } = this.parts;
    const chain = this.calls.toReversed().map((call): Note => ({
      message: `in recipe \`${call.recipe}\`, called here`,
      span: call.span,
    }));
    const where = severalProcesses && this.pid !== null ? ` (pid ${this.pid})` : "";
    return diagnose({
      code,
      message: `${message}${where}`,
      span,
      notes: [...notes, ...shortened(chain)],
      suggestion,
    });
  }
}

const mostCallers = 8;

/** A recursion has a hundred callers; the first and the last ones tell enough. */
function shortened(chain: readonly Note[]): readonly Note[] {
  if (chain.length <= mostCallers) return chain;
  const half = mostCallers / 2;
  const left = chain.length - mostCallers;
  return [
    ...chain.slice(0, half),
    { message: `${left} more calls between these` },
    ...chain.slice(-half),
  ];
}

/** The signal that a person sent is, between two statements, a reason to undo like any other. */
export class Interrupted extends Error {}

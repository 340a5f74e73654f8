/**
 * Outcomes and exit codes, exactly those of the language contract's table
 * "Exit codes and outcomes", and how an error thrown anywhere becomes one.
 */
import { EngineError } from "../native/engine.js";

export const outcomes = [
  "applied",
  "completed",
  "rolled-back",
  "recovered",
  "skipped",
  "invalid",
  "refused",
  "failed",
  "inconsistent",
] as const;

export type Outcome = (typeof outcomes)[number];

/** Outcomes that mean that what was asked does not hold. */
export type BadOutcome = "invalid" | "refused" | "failed" | "inconsistent";

export type ExitCode = 0 | 1 | 2 | 3 | 4;

/** The process's exit code for an outcome. */
export function exitCodeOf(outcome: Outcome): ExitCode {
  switch (outcome) {
    case "applied":
    case "completed":
    case "rolled-back":
    case "recovered":
    case "skipped":
      return 0;
    case "invalid":
      return 1;
    case "refused":
      return 2;
    case "failed":
      return 3;
    case "inconsistent":
      return 4;
  }
}

/** Whether an outcome is one of the four bad ones. */
export function isBad(outcome: Outcome): outcome is BadOutcome {
  return exitCodeOf(outcome) !== 0;
}

/** The worse of two bad outcomes: the one with the higher exit code. */
export function worse(left: BadOutcome, right: BadOutcome): BadOutcome {
  return exitCodeOf(left) >= exitCodeOf(right) ? left : right;
}

/**
 * A command ends badly on purpose: everything a person needs to know has been
 * reported as diagnostics already, only the outcome is left to be told.
 */
export class Stop extends Error {
  constructor(readonly outcome: BadOutcome) {
    super(`stopped: ${outcome}`);
    this.name = "Stop";
  }
}

/**
 * The outcome of an error. `touched` says whether bytes of some process may
 * have been written by this run (and were not taken back again since): then an
 * error of our own is `inconsistent`, before that it is `failed`.
 */
export function outcomeOfError(error: unknown, touched: boolean): BadOutcome {
  if (error instanceof Stop) return error.outcome;
  if (error instanceof EngineError) return error.kind;
  return touched ? "inconsistent" : "failed";
}

/** What a test file's end means: uvu's own summary, exit code and all else together. */

/** How a test file's process ended. */
export interface Ending {
  /** `null` when a signal ended it. */
  readonly exitCode: number | null;
  readonly signal: string | null;
  readonly timedOut: boolean;
  /** Processes that outlived the file (ended since), as `pid name`. */
  readonly leftBehind: readonly string[];
  /** Standard output and standard error, as they came. */
  readonly output: string;
}

export interface Verdict {
  readonly passed: number;
  /** At least 1 if anything at all was wrong. */
  readonly failed: number;
  readonly skipped: number;
  /** Why it failed, one sentence each. */
  readonly reasons: readonly string[];
  /** What uvu says of each test that failed, a line each. */
  readonly messages: readonly string[];
}

interface Summary {
  readonly total: number;
  readonly passed: number;
  readonly skipped: number;
}

const colours = /\u001b\[[0-9;]*m/g;
const summaryBlock =
  /^ {2}Total: +(\d+)\n {2}Passed: +(\d+)\n {2}Skipped: +(\d+)\n {2}Duration: /gm;

const failure = /^ {3}FAIL {2}(".*")\n *(.*)$/gm;

function readMessages(output: string): string[] {
  const failures = output.replace(colours, "").matchAll(failure);
  return [...failures].map(([, name = "", message = ""]) => `${name}: ${message}`);
}

function readSummaries(output: string): Summary[] {
  return [...output.replace(colours, "").matchAll(summaryBlock)].map((match) => ({
    total: Number(match[1]),
    passed: Number(match[2]),
    skipped: Number(match[3]),
  }));
}

/**
 * Judges a file. uvu exits with 0 when a `before` hook throws, when a test rejects
 * with something that is no Error, and when `run()` is forgotten; so the numbers
 * must add up as well.
 */
export function judge(
  ending: Ending,
  file: { readonly maySkip: string | null; readonly faults: readonly string[] },
): Verdict {
  const reasons = [...file.faults];
  const summaries = readSummaries(ending.output);
  const summary = summaries[0];
  if (ending.timedOut) reasons.push("ran out of time and was ended");
  else if (ending.signal !== null) reasons.push(`was ended by ${ending.signal}`);
  else if (ending.exitCode !== 0) reasons.push(`exited with code ${ending.exitCode}`);
  if (ending.leftBehind.length > 0) {
    reasons.push(`left processes behind: ${ending.leftBehind.join(", ")}`);
  }
  if (summary === undefined) {
    if (!ending.timedOut) reasons.push("printed no summary: was run() called?");
  } else if (summaries.length > 1) {
    reasons.push("printed several summaries: the tests must all be registered at once");
  } else if (summary.total === 0) {
    reasons.push("ran no test");
  } else if (summary.passed < summary.total) {
    reasons.push(`${summary.total - summary.passed} of ${summary.total} tests did not pass`);
  }
  const skipped = summary?.skipped ?? 0;
  if (skipped > 0 && file.maySkip === null) {
    reasons.push(`${skipped} skipped, and no "// may skip: REASON" in the file's first lines`);
  }
  const passed = summary?.passed ?? 0;
  const missed = summary === undefined ? 0 : Math.max(0, summary.total - summary.passed);
  const failed = reasons.length > 0 ? Math.max(1, missed) : 0;
  return { passed, failed, skipped, reasons, messages: readMessages(ending.output) };
}

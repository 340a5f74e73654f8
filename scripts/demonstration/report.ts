/** What one example's demonstration found, whether it held, and the table that shows it. */
import type { PolusRun } from "./polus.js";

/** The five stretches of a demonstration, in their order. */
export const phaseNames = ["before", "applying", "updated", "rolling_back", "after"] as const;
export type PhaseName = (typeof phaseNames)[number];

const phaseTitles: Readonly<Record<PhaseName, string>> = {
  before: "before",
  applying: "while applying",
  updated: "with the update",
  rolling_back: "while rolling back",
  after: "after rollback",
};

export interface PhaseResult {
  readonly phase: PhaseName;
  readonly requests: number;
  readonly failed: number;
  /** Longest that a client waited for an answer. */
  readonly maxUs: number;
  readonly firstFailure: string | null;
}

/** One thing that the program is asked in each state. */
export interface Answer {
  readonly question: string;
  readonly before: string;
  readonly updated: string;
  readonly after: string;
}

export interface DemoReport {
  readonly title: string;
  readonly phases: readonly PhaseResult[];
  readonly answers: readonly Answer[];
  readonly apply: PolusRun;
  readonly rollback: PolusRun;
  /** What should have held and did not, found by the example itself. */
  readonly problems: readonly string[];
}

function commandProblems(name: string, run: PolusRun, outcome: string): string[] {
  if (run.exitCode === 0 && run.done?.outcome === outcome) return [];
  const said = run.errors.trim() || `outcome ${run.done?.outcome ?? "none"}`;
  return [`polus ${name} exited with ${run.exitCode} and did not say "${outcome}": ${said}`];
}

/** Everything that keeps a demonstration from being a success; empty when all held. */
export function problemsOf(report: DemoReport): string[] {
  const problems = [
    ...report.problems,
    ...commandProblems("run", report.apply, "applied"),
    ...commandProblems("rollback", report.rollback, "rolled-back"),
  ];
  for (const name of phaseNames) {
    const phase = report.phases.find((candidate) => candidate.phase === name);
    if (phase === undefined) problems.push(`nothing was measured ${phaseTitles[name]}`);
    else if (phase.requests === 0) problems.push(`no request was answered ${phaseTitles[name]}`);
    else if (phase.failed > 0) {
      problems.push(`${phase.failed} failed ${phaseTitles[name]}: ${phase.firstFailure ?? "?"}`);
    }
  }
  for (const { question, before, updated, after } of report.answers) {
    if (updated === before) problems.push(`the update did not change the answer to ${question}`);
    if (after !== before) problems.push(`rollback did not bring the answer to ${question} back`);
  }
  return problems;
}

/** Columns as wide as their widest cell; the first to the left, the others to the right. */
export function formatTable(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, i) => (widths[i] = Math.max(widths[i] ?? 0, cell.length)));
  }
  const line = (row: readonly string[]): string =>
    row
      .map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)))
      .join("   ");
  return rows.map((row) => `  ${line(row).trimEnd()}\n`).join("");
}

function formatTime(us: number): string {
  return us < 1000 ? `${us.toFixed(0)} us` : `${(us / 1000).toFixed(1)} ms`;
}

function commandRow(name: string, run: PolusRun): string[] {
  const { done } = run;
  return [
    name,
    `${run.wallMs.toFixed(0)} ms`,
    done === null ? "?" : formatTime(done.stallUsMax),
    done === null ? "?" : String(done.stoppedThreadsMax),
    done === null ? "?" : String(done.pids.length),
    done === null ? "?" : String(done.functions),
  ];
}

/** The whole report as text for a person. */
export function formatReport(report: DemoReport): string {
  const phases = report.phases.map(({ phase, requests, failed, maxUs }) => [
    phaseTitles[phase],
    String(requests),
    String(failed),
    formatTime(maxUs),
  ]);
  const failed = report.phases.reduce((sum, phase) => sum + phase.failed, 0);
  const requests = report.phases.reduce((sum, phase) => sum + phase.requests, 0);
  phases.push(["in all", String(requests), String(failed), ""]);
  const answers = report.answers.map(({ question, before, updated, after }) => [
    question,
    before,
    updated,
    after,
  ]);
  const problems = problemsOf(report);
  return [
    `\n${report.title}\n\n`,
    formatTable([["", "requests", "failed", "longest wait of a client"], ...phases]),
    "\n",
    formatTable([
      ["", "time", "longest stall of a thread", "threads held", "processes", "functions"],
      commandRow("apply", report.apply),
      commandRow("roll back", report.rollback),
    ]),
    "\n",
    formatTable([
      ["what the program answers", "before", "with the update", "after rollback"],
      ...answers,
    ]),
    "\n",
    ...(problems.length === 0
      ? ["  All of this held.\n"]
      : problems.map((problem) => `  NOT HELD: ${problem}\n`)),
  ].join("");
}

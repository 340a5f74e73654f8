/** What tests of recipes share: a script of the standard library run on a running program. */
import * as assert from "uvu/assert";
import type { JsonRun } from "../interpreter/command.js";
import { LivePlace } from "../interpreter/live_run.js";
import { buildTarget, withTarget, type TargetProcess } from "../support/target_process.js";

/** A program in which a test plants faults, and how scripts are run on it. */
export interface Patient {
  readonly target: TargetProcess;
  /** Runs a script's text on it by the installed command. */
  readonly run: (script: string) => Promise<JsonRun>;
}

/** Starts test/targets/stdlib/NAME.c, and makes sure that it ends without a violation. */
export async function withPatient(
  name: string,
  body: (patient: Patient) => Promise<void>,
  options: { readonly libraries?: readonly string[]; readonly args?: readonly string[] } = {},
): Promise<void> {
  const { libraries = [], args = [] } = options;
  const program = buildTarget({ name, sources: [`stdlib/${name}.c`], libraries });
  await withTarget(program, { args }, async (target) => {
    const place = new LivePlace();
    await body({ target, run: (script) => place.run(target.pid, script) });
  });
}

/** A run that did what was asked; shows what went wrong if it did not. */
export function assertCompleted(run: JsonRun): void {
  assert.is(run.done.outcome, "completed", shown(run));
  assert.is(run.code, 0);
}

/** A run that found nothing: it completed, changed nothing, and said nothing. */
export function assertQuiet(run: JsonRun): void {
  assertCompleted(run);
  const said = [...run.events("set"), ...run.prints, ...run.diagnostics];
  assert.equal(said, [], shown(run));
  assert.is(run.finished.stderr, "");
}

/** A run that failed with that error, all that it changed undone. */
export function assertFailed(run: JsonRun, code: string): void {
  assert.is(run.done.outcome, "failed", shown(run));
  const errors = run.diagnostics.filter(({ severity }) => severity === "error");
  assert.equal(
    errors.map((error) => error.code),
    [code],
    shown(run),
  );
}

/** The texts of its warnings. */
export function warningsOf(run: JsonRun): readonly string[] {
  return run.diagnostics
    .filter(({ severity }) => severity === "warning")
    .map(({ message }) => message);
}

/** `PLACE: BEFORE -> AFTER` of all that it set. */
export function changesOf(run: JsonRun): readonly string[] {
  return run.lines.flatMap((line) =>
    line.event === "set" ? [`${line.place}: ${line.before} -> ${line.after}`] : [],
  );
}

function shown({ finished }: JsonRun): string {
  return `${finished.stdout}\n${finished.stderr}`;
}

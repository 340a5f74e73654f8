/** Scripts on the target `state`: what they did is asked of the program itself. */
import * as assert from "uvu/assert";
import { stateProgram } from "../support/programs.js";
import { TargetProcess, type StartOptions } from "../support/target_process.js";
import type { JsonRun } from "./command.js";
import { LivePlace } from "./live_run.js";
import type { Running } from "./running.js";

/** The state as its program shows it. */
export type Shown = Readonly<Record<string, unknown>>;

export class LiveState {
  constructor(
    readonly target: TargetProcess,
    readonly place: LivePlace,
  ) {}

  get pid(): number {
    return this.target.pid;
  }

  show(): Promise<Shown> {
    return this.target.ask("show");
  }

  run(text: string, ...words: string[]): Promise<JsonRun> {
    return this.place.run(this.pid, text, ...words);
  }

  start(text: string, environment: Readonly<Record<string, string>> = {}): Running {
    return this.place.startScript(this.pid, text, environment);
  }

  /** Runs a script that must complete; what it printed, a line each. */
  async prints(text: string, ...words: string[]): Promise<readonly string[]> {
    const run = await this.run(text, ...words);
    assert.is(run.code, 0, run.finished.stdout + run.finished.stderr);
    return printed(run);
  }

  /** Runs a script that must fail with these errors, `CODE@LINE:COLUMN`, and changed nothing. */
  async fails(text: string, ...places: string[]): Promise<JsonRun> {
    const before = await this.show();
    const run = await this.run(text);
    assert.equal(run.places, places, run.finished.stdout + run.finished.stderr);
    assert.ok(run.code === 2 || run.code === 3, `code ${run.code}`);
    assert.equal(await this.show(), before);
    return run;
  }
}

/** What a run printed, values of one statement separated by blanks. */
export function printed(run: JsonRun): readonly string[] {
  return run.prints.map(({ values }) => values.map(({ text }) => text).join(" "));
}

/** Which version of `judge` the threads reach now. */
export async function judgeVersion(state: LiveState): Promise<string> {
  const {
    old,
    new: newer,
    newer: third,
  } = (await state.target.freshCounts()).probes["judge"] ?? {
    old: 0,
    new: 0,
    newer: 0,
  };
  return [old > 0 ? "old" : "", newer > 0 ? "new" : "", third > 0 ? "third" : ""].join("");
}

/** Runs `body` with a started target, which must end with a clean verdict. */
export async function withState(
  body: (state: LiveState) => Promise<void>,
  options: StartOptions & { readonly program?: string } = {},
): Promise<void> {
  const { program = stateProgram(), ...start } = options;
  const target = await TargetProcess.start(program, { ...start, args: start.args ?? [] });
  try {
    await body(new LiveState(target, new LivePlace()));
    const last = await target.quit();
    assert.is(last.verdict, "clean", `${last.errors} violations, first: ${last.firstError}`);
  } finally {
    await target.kill();
  }
}

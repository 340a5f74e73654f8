/**
 * Carries out a plan on its processes: everything is verified first, then the
 * steps follow one after another; when one fails, what was done is taken back.
 */
import type { ApplyStatement, RollbackStatement, Statement } from "../../lang/ast.js";
import type { Inspection, ProgramNames, UpdateRequest } from "../../native/engine.js";
import { EngineError } from "../../native/engine.js";
import { diagnose, diagnoseEngineError } from "../diagnose.js";
import { Stop, worse, type BadOutcome, type Outcome } from "../outcome.js";
import { pointOf, type Plan, type UpdatePlan } from "../plan/plan.js";
import { performApply, performRollback, scopeOf, type Changes, type Progress } from "./changes.js";
import type { RunContext } from "./context.js";
import type { Binding, Expressions } from "./evaluation.js";
import { withPatches, type MappedPatch } from "./patch_names.js";
import { Interrupted, ScriptError } from "./script_error.js";
import type { Sessions } from "./sessions.js";
import { StatementRunner, type StatementHost } from "./statements.js";
import type { Targets } from "./targets.js";
import { repairsToAnnounce } from "./taints.js";
import { inTurns, sleep, type Turn } from "./turns.js";
import { UndoLog, type Write } from "./undo.js";
import type { Variables } from "./variables.js";

export interface Execution {
  readonly plan: Plan;
  readonly targets: Targets;
  readonly requests: ReadonlyMap<UpdatePlan, UpdateRequest>;
  readonly sessions: Sessions;
  /** Of a REPL: what is done is noted here, to be taken back later. */
  readonly log?: UndoLog;
  /** Of a REPL: variables at top level, which outlive the run. */
  readonly names?: Map<string, Binding>;
}

/**
 * Verifies every update that the plan applies, each in all of its processes,
 * without writing a byte to any of them. Throws Stop when one does not fit, after
 * all problems were told.
 */
export async function verifyAll(
  context: RunContext,
  execution: Execution,
  options: { readonly recover: boolean },
): Promise<void> {
  let worst: BadOutcome | null = null;
  for (const [update, request] of execution.requests) {
    try {
      const session = await execution.sessions.of(scopeOf(execution, update), options);
      const verified = await session.verify(request);
      context.reporter.progress({
        event: "verified",
        update: update.name,
        functions: verified.functions,
        imports: verified.imports,
        already_applied: verified.result === "already-applied",
      });
    } catch (error) {
      if (!(error instanceof EngineError)) throw error;
      context.reporter.diagnostic(diagnoseEngineError(error, { update: update.checked, request }));
      worst = worst === null ? error.kind : worse(worst, error.kind);
    }
  }
  if (worst === null) return;
  context.tally.state ??= worst === "inconsistent" ? "unknown" : "unchanged";
  throw new Stop(worst);
}

/** Carries out the steps. Returns a good outcome, or throws Stop after having undone. */
export async function execute(
  context: RunContext,
  execution: Execution,
  makeExpressions: (execution: Execution, runner: StatementRunner, log: UndoLog) => Expressions,
): Promise<Outcome> {
  return new Run(context, execution, makeExpressions).run();
}

class Run implements StatementHost {
  readonly log: UndoLog;
  private readonly progress: Progress = { applied: 0, skipped: 0, rolledBack: 0 };
  /** By what the session gives; patches are mapped and updates change, so that it is made anew. */
  private looks = new WeakMap<Inspection, Inspection>();
  private readonly patchNames = new Map<string, ProgramNames>();
  /** Updates whose repairs were announced at some time. */
  private readonly announced = new Set<UpdatePlan>();
  private readonly meetings = new WeakMap<Statement, Map<UpdatePlan, object>>();
  /** The update that is being changed at this moment: an engine's error is about it. */
  private changing: UpdatePlan | null = null;

  constructor(
    readonly context: RunContext,
    private readonly execution: Execution,
    private readonly makeExpressions: (
      execution: Execution,
      runner: StatementRunner,
      log: UndoLog,
    ) => Expressions,
  ) {
    this.log = execution.log ?? new UndoLog();
  }

  async run(): Promise<Outcome> {
    const { plan } = this.execution;
    try {
      if (plan.order === "file") await this.updates();
      else await this.statements(plan.script.statements);
    } catch (error) {
      await this.failed(error);
    }
    const { requestedBy } = this.context.interruption;
    if (requestedBy !== null) {
      this.context.tally.warn(`${requestedBy} came when the last step was already being done`);
    }
    return this.outcome();
  }

  private async updates(): Promise<void> {
    for (const update of this.execution.plan.updates) {
      const by = this.context.interruption.requestedBy;
      if (by !== null) throw new Interrupted(`stopped by ${by}`);
      const pids = scopeOf(this.execution, update).roots;
      await this.changed(update, (changes) => performApply(changes, update, pids));
    }
  }

  private async statements(statements: readonly Statement[]): Promise<void> {
    const pids = this.execution.targets.roots.map(({ pid }) => pid);
    await inTurns(pids.length, async (turn) => {
      const runner = this.runner(pids[turn.index] ?? 0, turn);
      const { plan, names } = this.execution;
      await runner.statements(statements, runner.outermost(plan.script.scope, null, names));
    });
  }

  private runner(pid: number, turn: Turn): StatementRunner {
    return new StatementRunner(this, pid, turn, (runner) =>
      this.makeExpressions(this.execution, runner, this.log),
    );
  }

  async inspect(pid: number): Promise<Inspection> {
    const inspection = await this.execution.sessions.inspect(pid);
    const known = this.looks.get(inspection);
    if (known !== undefined) return known;
    const engine = await this.context.engine();
    const mapped = (updates: readonly UpdatePlan[]): readonly MappedPatch[] =>
      updates.flatMap((update) =>
        (this.execution.requests.get(update)?.patches ?? []).flatMap(({ digest, bytes }) => {
          const base = this.execution.sessions.patchBase(pid, digest);
          if (base === null) return [];
          const names = this.patchNames.get(digest) ?? engine.examinePatch(bytes);
          this.patchNames.set(digest, names);
          return [{ names, base }];
        }),
      );
    const { changing } = this;
    const others = [...this.execution.requests.keys()].filter((one) => one !== changing);
    const made = withPatches(
      inspection,
      mapped(changing === null ? [] : [changing]),
      mapped(others.toReversed()),
    );
    this.looks.set(inspection, made);
    return made;
  }

  async announce(repair: Write): Promise<void> {
    const update = repair.repair?.update;
    if (update === undefined) throw new Error("a write that repairs nothing is not announced");
    this.announced.add(update);
    await this.tellAnnounced(update, [...this.log.repairsOf(update), repair]);
  }

  /** Tells each process of an update what of it is not its patches' yet. */
  private async tellAnnounced(update: UpdatePlan, repairs: readonly Write[]): Promise<void> {
    const request = this.execution.requests.get(update);
    // Without patches nothing can be rolled back: what was repaired is an ordinary write.
    if (request === undefined || request.patches.length === 0) return;
    const { pids } = scopeOf(this.execution, update);
    const sessions = new Set(pids.map((pid) => this.execution.sessions.openFor(pid)));
    for (const session of sessions) await session?.announce(request, repairsToAnnounce(repairs));
  }

  forgetNames(): void {
    this.looks = new WeakMap();
  }

  /** All processes that come to the statement wait for each other: it is done in all of them at once. */
  async changeUpdates(
    statement: ApplyStatement | RollbackStatement,
    { variables }: { readonly variables: Variables },
    turn: Turn,
  ): Promise<void> {
    const update = this.updateOf(statement, variables);
    const { roots } = this.execution.targets;
    const key = this.meetingOf(statement, update);
    await turn.meet(key, statement.span.start, async (members) => {
      const pids = members.flatMap((index) => roots[index]?.pid ?? []);
      await this.changed(update, (changes) =>
        statement.kind === "apply"
          ? performApply(changes, update, pids)
          : performRollback(changes, update, pointOf(statement, update.checked), pids),
      );
    });
  }

  private async changed(
    update: UpdatePlan,
    change: (changes: Changes) => Promise<void>,
  ): Promise<void> {
    const { context, execution, log, progress } = this;
    this.changing = update;
    this.forgetNames();
    await change({
      context,
      execution,
      log,
      progress,
      runnerFor: (pid) => this.runner(pid, soloTurn),
      forgetNames: () => this.forgetNames(),
    });
    this.changing = null;
    this.forgetNames();
  }

  /** What processes must have in common to meet: in a recipe, one statement may be about several updates. */
  private meetingOf(statement: Statement, update: UpdatePlan): object {
    const known = this.meetings.get(statement) ?? new Map<UpdatePlan, object>();
    this.meetings.set(statement, known);
    const key = known.get(update) ?? {};
    known.set(update, key);
    return key;
  }

  private updateOf(
    statement: ApplyStatement | RollbackStatement,
    variables: Variables,
  ): UpdatePlan {
    const checked = variables.update(statement.update.text);
    const update = this.execution.plan.updates.find((one) => one.checked === checked);
    if (update === undefined) throw new Error(`update ${statement.update.text} was not planned`);
    return update;
  }

  private outcome(): Outcome {
    const { applied, rolledBack, skipped } = this.progress;
    if (applied > 0 && (this.log.appliedUpdates > 0 || rolledBack === 0)) return "applied";
    if (rolledBack > 0) return "rolled-back";
    if (skipped > 0) return "skipped";
    return "completed";
  }

  /** What was announced has been taken back, or it was told that it could not be. */
  private async retract(damaged: ReadonlySet<number>): Promise<void> {
    for (const update of this.announced) {
      if (scopeOf(this.execution, update).pids.some((pid) => damaged.has(pid))) continue;
      try {
        await this.tellAnnounced(update, []);
      } catch (error) {
        // It stays announced: `recover` finds that it is taken back already.
        if (!(error instanceof EngineError)) this.context.reportInternal(error);
      }
    }
  }

  /** Something failed: tells why, undoes, and throws Stop with the outcome. */
  private async failed(error: unknown): Promise<never> {
    const { context, execution, log, progress } = this;
    const { reporter, tally } = context;
    const update = this.changing;
    const damaged = new Set<number>();
    let outcome: BadOutcome;
    if (error instanceof ScriptError) {
      reporter.diagnostic(error.diagnostic(execution.targets.roots.length > 1));
      outcome = error.kind;
    } else if (error instanceof EngineError) {
      const request = update === null ? undefined : execution.requests.get(update);
      reporter.diagnostic(diagnoseEngineError(error, { update: update?.checked, request }));
      outcome = error.kind;
    } else if (error instanceof Interrupted) {
      reporter.diagnostic(diagnose({ code: "interrupted", message: error.message }));
      outcome = "failed";
    } else {
      // An error of our own: what was applied before is well recorded and can be taken back all the same.
      context.reportInternal(error);
      outcome = tally.touched ? "inconsistent" : "failed";
    }
    if (outcome === "inconsistent" && update !== null) {
      for (const pid of scopeOf(execution, update).pids) damaged.add(pid);
    }
    // Once something was changed, "refused" and "invalid" would promise too much.
    if (progress.applied + progress.rolledBack > 0 || !log.isEmpty) {
      outcome = worse(outcome, "failed");
    }
    const clean = await log.undo(context, execution.sessions, damaged);
    await this.retract(damaged);
    if (!clean) outcome = "inconsistent";
    if (outcome === "inconsistent") {
      const pids = [...damaged].sort((left, right) => left - right);
      const known = tally.state === "unchanged" ? "" : `; ${tally.state}`;
      if (pids.length > 0) tally.state = `unknown in ${pids.join(", ")}${known}`;
      for (const pid of pids) tally.warn(`run \`polus recover --pid ${pid}\``);
    } else if (tally.state === "unchanged") {
      tally.touched = false;
    }
    throw new Stop(outcome);
  }
}

/** Of statements that run while an update is changed: nobody else has a turn then. */
const soloTurn: Turn = {
  index: 0,
  next: async () => {},
  pause: (milliseconds, stop) => sleep(milliseconds, stop),
  meet: () => Promise.reject(new Error("an update cannot be changed while one is changed")),
};

/**
 * Carries out a plan on its processes: everything is verified first, then the
 * steps follow one after another; when one fails, what was done is taken back.
 */
import type { ProcessInfo, UpdateRequest } from "../../native/engine.js";
import { EngineError } from "../../native/engine.js";
import { diagnose, diagnoseEngineError } from "../diagnose.js";
import { Stop, worse, type BadOutcome, type Outcome } from "../outcome.js";
import type { Plan, Step, UpdatePlan } from "../plan/plan.js";
import { waitForCompletion } from "./completion.js";
import type { RunContext } from "./context.js";
import { applyUpdate, rollBack } from "./operations.js";
import type { Sessions, SessionScope } from "./sessions.js";
import type { Targets } from "./targets.js";
import { AppliedUpdates } from "./undo.js";

export interface Execution {
  readonly plan: Plan;
  readonly targets: Targets;
  readonly requests: ReadonlyMap<UpdatePlan, UpdateRequest>;
  readonly sessions: Sessions;
}

/** Counts of what happened, from which the outcome follows. */
interface Progress {
  applied: number;
  skipped: number;
  rolledBack: number;
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
export async function execute(context: RunContext, execution: Execution): Promise<Outcome> {
  const applied = new AppliedUpdates();
  const progress: Progress = { applied: 0, skipped: 0, rolledBack: 0 };
  for (const [index, step] of execution.plan.steps.entries()) {
    try {
      throwIfInterrupted(context);
      await perform(context, execution, step, applied, progress);
    } catch (error) {
      await failed(context, execution, error, step, applied, progress);
    }
    if (index === execution.plan.steps.length - 1 && context.interruption.requestedBy !== null) {
      context.tally.warn(
        `${context.interruption.requestedBy} came when the last step was already being done`,
      );
    }
  }
  return outcomeOf(progress, applied);
}

/** The signal that a person sent is, between two steps, a reason to undo like any other. */
class Interrupted extends Error {}

function throwIfInterrupted(context: RunContext): void {
  const by = context.interruption.requestedBy;
  if (by !== null) throw new Interrupted(`stopped by ${by}`);
}

function outcomeOf(progress: Progress, applied: AppliedUpdates): Outcome {
  if (applied.length > 0) return "applied";
  if (progress.rolledBack > 0) return "rolled-back";
  if (progress.skipped > 0) return "skipped";
  return "completed";
}

async function perform(
  context: RunContext,
  execution: Execution,
  step: Step,
  applied: AppliedUpdates,
  progress: Progress,
): Promise<void> {
  switch (step.kind) {
    case "apply":
      return performApply(context, execution, step.update, applied, progress);
    case "rollback": {
      const { update, point, position } = step;
      const scope = scopeOf(execution, update);
      const { pids } = scope;
      const session = await execution.sessions.of(scope, { recover: true });
      context.reporter.progress({
        event: "rolling_back",
        update: update.name,
        point,
        pids,
        why: "script",
      });
      const result = await rollBack(
        context,
        session,
        pids,
        { update: update.name, point },
        "asked",
      );
      if (result.result === "skipped") {
        progress.skipped += 1;
        return;
      }
      progress.rolledBack += 1;
      applied.rolledBack(update, point, position, [...pids, ...result.pids]);
      return;
    }
    case "print":
      if (execution.targets.roots.length === 0) context.reporter.print(null, step.values);
      for (const process of execution.targets.roots) {
        context.reporter.print(process.pid, step.values);
      }
      return;
  }
}

async function performApply(
  context: RunContext,
  execution: Execution,
  update: UpdatePlan,
  applied: AppliedUpdates,
  progress: Progress,
): Promise<void> {
  const { reporter } = context;
  const request = execution.requests.get(update);
  if (request === undefined) throw new Error(`update ${update.name} was planned but not loaded`);
  const scope = scopeOf(execution, update);
  const { pids } = scope;
  const session = await execution.sessions.of(scope, { recover: true });
  reporter.progress({ event: "applying", update: update.name, pids });
  const result = await applyUpdate(context, session, pids, request);
  if (result.result === "skipped") {
    progress.skipped += 1;
    reporter.progress({ event: "already_applied", update: update.name });
    return;
  }
  progress.applied += 1;
  // Children that were born meanwhile carry it too.
  applied.push(update, { ...scope, pids: [...new Set([...pids, ...result.pids])] });
  reporter.progress({
    event: "applied",
    update: update.name,
    functions: result.functions,
    patches: result.patches,
    stall_us: result.stallUsMax,
  });
  if (update.completeWithinMs !== null) {
    await waitForCompletion(context, session, update, update.completeWithinMs);
  }
}

function scopeOf(execution: Execution, update: UpdatePlan): SessionScope {
  const targets = execution.targets.byUpdate.get(update);
  const pidsOf = (processes: readonly ProcessInfo[] = []): readonly number[] =>
    processes.map((process) => process.pid);
  return {
    scope: update.scope,
    roots: pidsOf(targets?.roots),
    pids: pidsOf(targets?.processes),
  };
}

/** A step failed: tells why, undoes, and throws Stop with the outcome. */
async function failed(
  context: RunContext,
  execution: Execution,
  error: unknown,
  step: Step,
  applied: AppliedUpdates,
  progress: Progress,
): Promise<never> {
  const { reporter, tally } = context;
  const update = step.kind === "print" ? undefined : step.update;
  const damaged = new Set<number>();
  let outcome: BadOutcome;
  if (error instanceof EngineError) {
    const request = update === undefined ? undefined : execution.requests.get(update);
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
  if (outcome === "inconsistent" && update !== undefined) {
    for (const pid of scopeOf(execution, update).pids) damaged.add(pid);
  }
  // Once something was changed, "refused" and "invalid" would promise too much.
  if (progress.applied + progress.rolledBack > 0) outcome = worse(outcome, "failed");
  const clean = await applied.undo(context, execution.sessions, damaged);
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

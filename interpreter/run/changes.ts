/** Applying and rolling back updates in the course of a run. */
import { changesData, type ProcessInfo, type UpdateRequest } from "../../native/engine.js";
import type { UpdatePlan } from "../plan/plan.js";
import { waitForCompletion } from "./completion.js";
import { coolDown } from "./cooling.js";
import type { RunContext } from "./context.js";
import type { Execution } from "./execute.js";
import { applyUpdate, rollBack } from "./operations.js";
import type { SessionScope } from "./sessions.js";
import type { StatementRunner } from "./statements.js";
import { lookAt, repairsForRecord, stepsOf, type PlannedStep } from "./taints.js";
import { withDescendants } from "./targets.js";
import type { UndoLog } from "./undo.js";

/** Counts of what happened, from which the outcome follows. */
export interface Progress {
  applied: number;
  skipped: number;
  rolledBack: number;
}

/** All that changes of updates need to know. */
export interface Changes {
  readonly context: RunContext;
  readonly execution: Execution;
  readonly log: UndoLog;
  readonly progress: Progress;
  /** Runs statements in a process outside of all turns. */
  readonly runnerFor: (pid: number) => StatementRunner;
  /** Patches were mapped: their names are to be looked for again. */
  readonly forgetNames: () => void;
}

/** The processes that an update goes to, as the engine is given them. */
export function scopeOf(execution: Execution, update: UpdatePlan): SessionScope {
  const targets = execution.targets.byUpdate.get(update);
  const pidsOf = (processes: readonly ProcessInfo[] = []): readonly number[] =>
    processes.map((process) => process.pid);
  return {
    scope: update.scope,
    roots: pidsOf(targets?.roots),
    pids: pidsOf(targets?.processes),
  };
}

/** Those of them that belong to some of the processes that statements run for. */
async function scopeAmong(
  { context, execution }: Changes,
  update: UpdatePlan,
  among: readonly number[],
): Promise<SessionScope> {
  const whole = scopeOf(execution, update);
  const roots = whole.roots.filter((pid) => among.includes(pid));
  if (roots.length === whole.roots.length) return whole;
  const infos = execution.targets.byUpdate
    .get(update)
    ?.roots.filter(({ pid }) => roots.includes(pid));
  const engine = await context.engine();
  const processes = await withDescendants(context, engine, update, infos ?? []);
  return { scope: update.scope, roots, pids: processes.map(({ pid }) => pid) };
}

/** Applies an update in those of its processes whose statements have come to it. */
export async function performApply(
  changes: Changes,
  update: UpdatePlan,
  among: readonly number[],
): Promise<void> {
  const { context, execution, progress } = changes;
  const { reporter } = context;
  const request = execution.requests.get(update);
  if (request === undefined) throw new Error(`update ${update.name} was planned but not loaded`);
  const scope = await scopeAmong(changes, update, among);
  if (scope.roots.length === 0) return;
  const session = await execution.sessions.of(scope, { recover: true });
  reporter.progress({ event: "applying", update: update.name, pids: scope.pids });
  const steps = stepsOf(update);
  const tainted = steps.some(({ taints }) => taints.length > 0);
  if (tainted && request.patches.length > 0) {
    if ((await session.verify(request)).result === "already-applied") {
      progress.skipped += 1;
      reporter.progress({ event: "already_applied", update: update.name });
      return;
    }
    // Functions of the patches may be part of the checks.
    await session.stage(request);
    changes.forgetNames();
  }
  const total = { functions: 0, patches: 0, stallUs: 0 };
  let skipped = request.patches.length > 0;
  let pids = scope.pids;
  for (const step of steps) {
    await lookAtAll(changes, update, step, pids);
    if (request.patches.length === 0) continue;
    const result = await applyStep(changes, update, request, { ...scope, pids }, step);
    pids = [...new Set([...pids, ...result.pids])];
    if (result.result === "skipped") continue;
    skipped = false;
    total.functions += result.functions;
    total.patches += step.upTo - step.from;
    total.stallUs = Math.max(total.stallUs, result.stallUsMax);
  }
  if (skipped) {
    progress.skipped += 1;
    reporter.progress({ event: "already_applied", update: update.name });
    return;
  }
  progress.applied += 1;
  reporter.progress({
    event: "applied",
    update: update.name,
    functions: total.functions,
    patches: total.patches,
    stall_us: total.stallUs,
  });
  if (update.completeWithinMs !== null) {
    await waitForCompletion(context, session, update, update.completeWithinMs);
  } else if (context.tended !== true && changesData(request)) {
    await coolDown(context, session, request.scope);
  }
}

async function lookAtAll(
  { context, execution, runnerFor }: Changes,
  update: UpdatePlan,
  step: PlannedStep,
  pids: readonly number[],
): Promise<void> {
  for (const taint of step.taints) {
    for (const pid of pids) {
      // A child of the tree may have ended since it was listed; a root must be there.
      const roots = execution.targets.byUpdate.get(update)?.roots ?? [];
      const isRoot = roots.some((root) => root.pid === pid);
      if (!isRoot && !(await isAlive(execution, pid))) continue;
      await lookAt(context, runnerFor(pid), update, taint, step.from);
    }
  }
}

async function isAlive(execution: Execution, pid: number): Promise<boolean> {
  try {
    return (await execution.sessions.inspect(pid)).alive;
  } catch {
    return false;
  }
}

async function applyStep(
  changes: Changes,
  update: UpdatePlan,
  request: UpdateRequest,
  scope: SessionScope,
  { from, upTo, more }: PlannedStep,
) {
  const { context, execution, log } = changes;
  const session = await execution.sessions.of(scope, { recover: false });
  const writes = log.repairsOf(update);
  const whole = from === 0 && upTo === request.patches.length && !more && writes.length === 0;
  const result = await applyUpdate(
    context,
    session,
    scope.pids,
    request,
    whole ? undefined : { upTo, more, repairs: repairsForRecord(writes) },
  );
  execution.sessions.joined(session, result.pids);
  if (result.result === "done") {
    // Children that were born meanwhile carry it too.
    const pids = [...new Set([...scope.pids, ...result.pids])];
    log.applied(update, request, { ...scope, pids }, { position: upTo, more });
  } else {
    log.settled(update, upTo, more);
  }
  log.forget(writes);
  return result;
}

/** Rolls an update back to a point in those of its processes whose statements have come to it. */
export async function performRollback(
  changes: Changes,
  update: UpdatePlan,
  point: { readonly name: string; readonly position: number },
  among: readonly number[],
): Promise<void> {
  const { context, execution, log, progress } = changes;
  const scope = await scopeAmong(changes, update, among);
  const { pids } = scope;
  if (scope.roots.length === 0) return;
  const session = await execution.sessions.of(scope, { recover: true });
  const to = { update: update.name, point: point.name };
  context.reporter.progress({ event: "rolling_back", ...to, pids, why: "script" });
  const result = await rollBack(context, session, pids, to, "asked");
  if (result.result === "skipped") {
    progress.skipped += 1;
    return;
  }
  progress.rolledBack += 1;
  log.rolledBack(update, point.name, point.position, [...pids, ...result.pids]);
}

/** `polus run`: applies a script to running processes. */
import { parsePid } from "../command_line.js";
import { diagnose } from "../diagnose.js";
import { Stop, type Outcome } from "../outcome.js";
import { loadPatches, type LoadedPatches } from "../patches/load.js";
import { buildPlan, type Plan } from "../plan/plan.js";
import { planToJson, planToText } from "../plan/show.js";
import { count } from "../progress/wording.js";
import { canAsk, confirm } from "../run/confirm.js";
import { stopIfAsked } from "../run/context.js";
import { execute, verifyAll, type Execution } from "../run/execute.js";
import { liveExpressions } from "../run/live_expressions.js";
import { interruptedUpdates, Sessions } from "../run/sessions.js";
import { findTargets, listed, someProcessRuns, type Targets } from "../run/targets.js";
import { fileTrust, readScript } from "../script.js";
import type { Command, CommandContext } from "./command.js";

export const run: Command = async (context) => {
  const named = (context.parsed.values.get("pid") ?? []).map((text) => parsePid(text) ?? 0);
  const trust = fileTrust(context);
  const script = await readScript(context, trust);
  const plan = buildPlan(script);
  checkThatTargetsAreKnown(context, plan, named);
  const loaded = await loadPatches(context, plan, trust);
  return context.parsed.flags.has("dry-run")
    ? dryRun(context, plan, loaded, named)
    : realRun(context, plan, loaded, named);
};

/** Decidable without a target: nothing names the processes. */
function checkThatTargetsAreKnown(
  context: CommandContext,
  plan: Plan,
  named: readonly number[],
): void {
  if (named.length > 0) return;
  const lacking = plan.updates.filter((update) => update.checked.target?.exe === undefined);
  for (const update of lacking) {
    context.reporter.diagnostic(
      diagnose({
        code: "target-needed",
        message: `update \`${update.name}\` names no executable, and no process was named`,
        span: update.checked.target?.span ?? update.checked.span,
        suggestion: 'give the process by --pid, or write `target { exe "NAME" }`',
      }),
    );
  }
  const statementsAlone = plan.order === "statements" && plan.updates.length === 0;
  if (statementsAlone) {
    const [first] = plan.script.statements;
    context.reporter.diagnostic(
      diagnose({
        code: "pid-needed",
        message: "a script of statements alone needs --pid",
        span: first?.span,
        suggestion: "give the process by --pid",
      }),
    );
  }
  if (lacking.length > 0 || statementsAlone) throw new Stop("invalid");
}

async function realRun(
  context: CommandContext,
  plan: Plan,
  loaded: LoadedPatches,
  named: readonly number[],
): Promise<Outcome> {
  const { journal, reporter, tally } = context;
  const { script } = plan;
  journal.append({
    record: "script",
    path: script.path,
    digest: script.digest,
    files: script.files.map(({ path, digest }) => ({ path, digest })),
  });
  const engine = await context.engine();
  const targets = await findTargets(context, engine, plan, named);
  listTargets(context, targets);
  await askWhetherToGoOn(context, plan, targets);
  stopIfAsked(context);
  const sessions = new Sessions(context, engine, (event) => reporter.progress(event));
  context.beforeExit(() => sessions.close());
  for (const { processes } of targets.byUpdate.values()) {
    tally.addPids(processes.map((process) => process.pid));
  }
  tally.addPids(targets.roots.map((process) => process.pid));
  const execution: Execution = { plan, targets, requests: loaded.requests, sessions };
  await verifyAll(context, execution, { recover: true });
  stopIfAsked(context);
  const outcome = await execute(context, execution, liveExpressions);
  await sessions.close();
  return outcome;
}

/** Shows the plan, then verifies it against the processes that are there, without writing to any. */
async function dryRun(
  context: CommandContext,
  plan: Plan,
  loaded: LoadedPatches,
  named: readonly number[],
): Promise<Outcome> {
  const { reporter, tally } = context;
  reporter.result(planToText(plan, loaded.facts), {
    ...planToJson(plan, loaded.facts),
    time: new Date().toISOString(),
  });
  tally.state = "unchanged";
  const engine = await context.engine();
  const present = named.length > 0 || (await targetsRun(context, engine, plan));
  if (!present) return "completed";
  const targets = await findTargets(context, engine, plan, named);
  listTargets(context, targets);
  const sessions = new Sessions(context, engine, (event) => reporter.progress(event));
  context.beforeExit(() => sessions.close());
  for (const { processes } of targets.byUpdate.values()) {
    for (const { pid } of processes) {
      tally.addPids([pid]);
      for (const update of await interruptedUpdates(engine, pid)) {
        tally.warn(
          `pid ${pid} carries an interrupted run of ${update}: a run would recover it first`,
        );
      }
    }
  }
  await verifyAll(
    context,
    { plan, targets, requests: loaded.requests, sessions },
    { recover: false },
  );
  await sessions.close();
  return "completed";
}

/** A plan can be read where its target does not run (in CI, say): that is a warning only. */
async function targetsRun(
  context: CommandContext,
  engine: Awaited<ReturnType<CommandContext["engine"]>>,
  plan: Plan,
): Promise<boolean> {
  let all = true;
  for (const update of plan.updates) {
    if (await someProcessRuns(engine, update)) continue;
    const exe = update.checked.target?.exe?.value ?? update.name;
    context.tally.warn(`no process runs ${exe} now: nothing was verified against one`);
    all = false;
  }
  return all;
}

function listTargets(context: CommandContext, targets: Targets): void {
  const { reporter } = context;
  for (const [update, { processes }] of targets.byUpdate) {
    reporter.progress({
      event: "processes",
      update: update.name,
      processes: processes.map(listed),
    });
  }
  if (targets.byUpdate.size === 0 && targets.roots.length > 0) {
    reporter.progress({
      event: "processes",
      update: null,
      processes: targets.roots.map(listed),
    });
  }
}

async function askWhetherToGoOn(
  context: CommandContext,
  plan: Plan,
  targets: Targets,
): Promise<void> {
  if (context.parsed.flags.has("yes") || plan.updates.length === 0 || !canAsk()) return;
  const pids = new Set<number>();
  for (const { processes } of targets.byUpdate.values()) {
    for (const process of processes) pids.add(process.pid);
  }
  const names = plan.updates.map((update) => update.name).join(", ");
  const question = `go on with ${names} on ${count(pids.size, "process", "processes")}?`;
  if (await confirm(question, context.ask, context.interruption)) return;
  stopIfAsked(context);
  context.reporter.diagnostic(
    diagnose({ code: "declined", message: "not confirmed: nothing was done" }),
  );
  context.tally.state = "unchanged";
  throw new Stop("refused");
}

/** `polus check`: everything that can be said about a script without touching a process. */
import type { Diagnostic } from "../../lang/diagnostics/diagnostic.js";
import { address } from "../../native/address.js";
import type { Engine, ProgramNames } from "../../native/engine.js";
import { parsePid } from "../command_line.js";
import { diagnose, diagnoseEngineError } from "../diagnose.js";
import { Stop, worse, type BadOutcome } from "../outcome.js";
import { loadPatches, type LoadedPatches } from "../patches/load.js";
import { buildPlan, type Plan, type UpdatePlan } from "../plan/plan.js";
import { verifyAll } from "../run/execute.js";
import { withPatches } from "../run/patch_names.js";
import { Sessions } from "../run/sessions.js";
import { findTargets, listed } from "../run/targets.js";
import { typeCheck, type NamesFor } from "../run/typing.js";
import { fileTrust, readScript } from "../script.js";
import type { Command, CommandContext } from "./command.js";

export const run: Command = async (context) => {
  const { parsed, tally } = context;
  const trust = fileTrust(context);
  const script = await readScript(context, trust);
  const plan = buildPlan(script);
  const loaded = await loadPatches(context, plan, trust);
  for (const request of loaded.requests.values()) {
    tally.patches += request.patches.length;
    for (const patch of request.patches) tally.functions += patch.replacements.length;
  }
  const pid = parsePid(parsed.values.get("pid")?.[0] ?? "");
  const exe = parsed.values.get("exe")?.[0];
  if (pid !== null) await checkProcess(context, plan, loaded, pid);
  else if (exe !== undefined) await checkFile(context, await context.engine(), plan, loaded, exe);
  return "completed";
};

async function checkProcess(
  context: CommandContext,
  plan: Plan,
  loaded: LoadedPatches,
  pid: number,
): Promise<void> {
  const { reporter, tally } = context;
  const engine = await context.engine();
  const targets = await findTargets(context, engine, plan, [pid]);
  for (const [update, { processes }] of targets.byUpdate) {
    tally.addPids(processes.map((process) => process.pid));
    reporter.progress({
      event: "processes",
      update: update.name,
      processes: processes.map(listed),
    });
  }
  const sessions = new Sessions(context, engine, (event) => reporter.progress(event));
  context.beforeExit(() => sessions.close());
  const execution = { plan, targets, requests: loaded.requests, sessions };
  await verifyAll(context, execution, { recover: false });
  const names = await sessions.inspect(pid);
  const problems = typeCheck(plan, namesFor(engine, names, loaded));
  await sessions.close();
  tellAll(context, problems);
}

/** A program's names with those of the script's patches, for statements anywhere and for taints. */
function namesFor(engine: Engine, program: ProgramNames, loaded: LoadedPatches): NamesFor {
  const patches = [...loaded.requests].map(([update, request]) => ({
    update,
    mapped: request.patches.map(({ bytes }) => ({
      names: engine.examinePatch(bytes),
      base: address(0n),
    })),
  }));
  return (update) => {
    const isFirst = (one: { readonly update: UpdatePlan }): boolean => one.update === update;
    return withPatches(
      program,
      patches.filter(isFirst).flatMap(({ mapped }) => mapped),
      patches.filter((one) => !isFirst(one)).flatMap(({ mapped }) => mapped),
    );
  };
}

/** @throws Stop refused, if there is anything to tell */
function tellAll({ reporter }: CommandContext, problems: readonly Diagnostic[]): void {
  for (const problem of problems) reporter.diagnostic(problem);
  if (problems.length > 0) throw new Stop("refused");
}

async function checkFile(
  context: CommandContext,
  engine: Engine,
  plan: Plan,
  loaded: LoadedPatches,
  exe: string,
): Promise<void> {
  const { reporter, tally } = context;
  let worst: BadOutcome | null = null;
  for (const [update, request] of loaded.requests) {
    const verified = await engine.verifyFile(exe, request);
    for (const problem of verified.problems) {
      reporter.diagnostic(diagnoseEngineError(problem, { update: update.checked, request }));
      worst = worst === null ? problem.kind : worse(worst, problem.kind);
    }
    for (const name of verified.deferred) {
      tally.warn(`only a running process can tell whether ${name} is there`);
    }
    if (verified.problems.length > 0) continue;
    reporter.progress({
      event: "verified",
      update: update.name,
      functions: verified.functions,
      imports: verified.imports,
      already_applied: false,
    });
  }
  const names = await engine.examine(exe);
  tellAll(context, typeCheck(plan, namesFor(engine, names, loaded)));
  if (worst !== null) throw new Stop(worst);
  if (loaded.requests.size === 0 && plan.steps.length === 0) {
    reporter.diagnostic(
      diagnose({
        severity: "warning",
        code: "nothing-to-verify",
        message: `the script does nothing: ${exe} was not looked at`,
      }),
    );
  }
}

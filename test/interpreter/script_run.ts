/** Runs a script in memory on the fake engine, with simple expressions: what statements do. */
import { loadScript } from "../../lang/index.js";
import type { Diagnostic } from "../../lang/diagnostics/diagnostic.js";
import type { EngineEvent, UpdateRequest } from "../../native/engine.js";
import { Journal } from "../../interpreter/journal.js";
import { Stop, type Outcome } from "../../interpreter/outcome.js";
import { buildPlan, type UpdatePlan } from "../../interpreter/plan/plan.js";
import type { ProgressEvent } from "../../interpreter/progress/events.js";
import type { Reporter } from "../../interpreter/progress/reporter.js";
import type { RunContext } from "../../interpreter/run/context.js";
import { execute } from "../../interpreter/run/execute.js";
import { Interruption } from "../../interpreter/run/interruption.js";
import { Sessions } from "../../interpreter/run/sessions.js";
import { Tally } from "../../interpreter/run/tally.js";
import { findTargets } from "../../interpreter/run/targets.js";
import { memoryFiles } from "../lang/memory-files.js";
import { FakeEngine, type FakeWorld } from "./fake_engine.js";
import { FakeExpressions } from "./fake_expressions.js";
import { temporaryFolder } from "./temporary_folder.js";

export interface ScriptRun {
  readonly outcome: Outcome;
  readonly state: string | undefined;
  readonly touched: boolean;
  readonly warnings: readonly string[];
  /** `PID: VALUES`. */
  readonly prints: readonly string[];
  readonly diagnostics: readonly Diagnostic[];
  readonly events: readonly (ProgressEvent | EngineEvent)[];
}

/** @param during called once the script runs, with what can stop it */
export async function runScript(
  text: string,
  world: FakeWorld,
  during: (interruption: Interruption) => void = () => {},
): Promise<ScriptRun> {
  const files = memoryFiles({ "/s/main.polus": text, "/s/a.so": "a", "/s/b.so": "b" });
  const { script, diagnostics: wrong } = loadScript("/s/main.polus", { stdlib: "/std", files });
  if (script === null) throw new Error(JSON.stringify(wrong.map(({ message }) => message)));
  const prints: string[] = [];
  const diagnostics: Diagnostic[] = [];
  const events: (ProgressEvent | EngineEvent)[] = [];
  const reporter: Reporter = {
    diagnostic: (one) => diagnostics.push(one),
    print: (pid, values) => prints.push(`${pid}: ${values.map((value) => value.text).join(" ")}`),
    progress: (event) => events.push(event),
    result: () => {},
    done: () => {},
    flush: async () => {},
  };
  const engine = new FakeEngine(world);
  const tally = new Tally();
  const interruption = new Interruption(() => {});
  const context: RunContext = {
    environment: {},
    workingFolder: "/s",
    effectiveUser: 0,
    reporter,
    tally,
    interruption,
    settings: {},
    journal: new Journal(temporaryFolder(), () => {}),
    reportInternal: (error) => {
      throw error;
    },
    engine: async () => engine,
  };
  const plan = buildPlan(script);
  const pids = world.processes.map(({ pid }) => pid);
  const targets = await findTargets(context, engine, plan, pids);
  const sessions = new Sessions(context, engine, (event) => events.push(event));
  const requests = new Map(plan.updates.map((update) => [update, requestOf(update)]));
  during(interruption);
  let outcome: Outcome;
  try {
    outcome = await execute(
      context,
      { plan, targets, requests, sessions },
      (execution, runner, log) =>
        new FakeExpressions(() => execution.sessions.inspect(runner.pid), runner, log),
    );
  } catch (error) {
    if (!(error instanceof Stop)) throw error;
    outcome = error.outcome;
  }
  await sessions.close();
  const { state, touched, warnings } = tally;
  return { outcome, state, touched, warnings, prints, diagnostics, events };
}

function requestOf({ name, scope, checked }: UpdatePlan): UpdateRequest {
  return {
    name,
    scriptDigest: "",
    scope,
    patches: checked.patches.map((patch) => ({
      name: patch.name,
      path: `${patch.name}.so`,
      bytes: Buffer.from(patch.name),
      digest: patch.name,
      replacements: patch.replacements.map((one) => ({ function: one.function.value })),
      data: [],
    })),
    points: checked.points.map((point) => ({ name: point.name, position: point.position })),
  };
}

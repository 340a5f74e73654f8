/** `polus recover`: finishes or undoes an interrupted run. */
import type { Engine } from "../../native/engine.js";
import { EngineError } from "../../native/engine.js";
import { parsePid } from "../command_line.js";
import { recoverSession } from "../run/operations.js";
import { scopeOfUpdates } from "../run/scope.js";
import { Sessions } from "../run/sessions.js";
import type { Command } from "./command.js";

export const run: Command = async (context) => {
  const pid = parsePid(context.parsed.values.get("pid")?.[0] ?? "") ?? 0;
  const engine = await context.engine();
  await engine.processInfo(pid);
  const sessions = new Sessions(context, engine, (event) => context.reporter.progress(event));
  context.beforeExit(() => sessions.close());
  const treeUpdates = await standingTreeUpdates(engine, pid);
  const scope = await scopeOfUpdates(engine, pid, treeUpdates);
  context.tally.addPids(scope.pids);
  const session = await sessions.of(scope, { recover: false });
  const result = await recoverSession(context, session, scope.pids, "asked");
  return result.result === "done" ? "recovered" : "skipped";
};

async function standingTreeUpdates(engine: Engine, pid: number): Promise<readonly string[]> {
  try {
    const status = await engine.status(pid);
    return (status?.updates ?? [])
      .filter((update) => update.scope === "tree" && update.state !== "rolled-back")
      .map((update) => update.name);
  } catch (error) {
    // A damaged record tells nothing of a tree; whether it can be mended is for the recovery to say.
    if (error instanceof EngineError && error.kind === "inconsistent") return [];
    throw error;
  }
}

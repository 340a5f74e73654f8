/** `polus rollback`: takes updates of a process (and its tree) back. */
import { parsePid, parsePoint } from "../command_line.js";
import type { Engine, ProcessStatus } from "../../native/engine.js";
import { rollBack } from "../run/operations.js";
import { Sessions, type SessionScope } from "../run/sessions.js";
import { scopeOfUpdates } from "../run/scope.js";
import type { Command } from "./command.js";

export const run: Command = async (context) => {
  const pid = parsePid(context.parsed.values.get("pid")?.[0] ?? "") ?? 0;
  const to = parsePoint(context.parsed.values.get("to")?.[0] ?? "");
  const engine = await context.engine();
  await engine.processInfo(pid);
  const sessions = new Sessions(context, engine, (event) => context.reporter.progress(event));
  context.beforeExit(() => sessions.close());
  const status = await engine.status(pid);
  const scope = await scopeToRollBack(engine, pid, status, to?.update ?? null);
  const { pids } = scope;
  context.tally.addPids(pids);
  const session = await sessions.of(scope, { recover: true });
  // Recovering may have changed what is newest.
  const target = to ?? newestActive(await engine.status(pid));
  if (target === null) {
    context.tally.state = "unchanged";
    return "skipped";
  }
  context.reporter.progress({ event: "rolling_back", ...target, pids, why: "command" });
  const result = await rollBack(context, session, pids, to, "asked");
  if (result.result === "skipped") {
    context.tally.state = "unchanged";
    return "skipped";
  }
  context.tally.state = `${result.update ?? target.update}.${result.point ?? target.point}`;
  return "rolled-back";
};

function newestActive(
  status: ProcessStatus | null,
): { readonly update: string; readonly point: string } | null {
  const active = status?.updates.filter((update) => update.state !== "rolled-back").at(-1);
  return active === undefined ? null : { update: active.name, point: "start" };
}

/** The process alone, or with the descendants that carry the update when that was applied to a tree. */
async function scopeToRollBack(
  engine: Engine,
  pid: number,
  status: ProcessStatus | null,
  update: string | null,
): Promise<SessionScope> {
  const standing = status?.updates.filter((one) => one.state !== "rolled-back") ?? [];
  const index = update === null ? -1 : standing.findIndex((one) => one.name === update);
  // All that stand above the point go with it.
  const affected = index >= 0 ? standing.slice(index) : standing.slice(-1);
  const names = affected.filter((one) => one.scope === "tree").map((one) => one.name);
  return scopeOfUpdates(engine, pid, names);
}

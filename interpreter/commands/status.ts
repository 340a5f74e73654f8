/** `polus status`: what the records in processes tell. */
import type { ProcessStatus, UpdateStatus } from "../../native/engine.js";
import { parsePid } from "../command_line.js";
import { count } from "../progress/wording.js";
import type { StatusLine } from "../schema.js";
import type { Command } from "./command.js";

export const run: Command = async (context) => {
  const all = context.parsed.flags.has("all");
  const engine = await context.engine();
  const pid = parsePid(context.parsed.values.get("pid")?.[0] ?? "");
  let statuses: readonly ProcessStatus[];
  if (pid === null) {
    statuses = (await engine.statusOfAll()).filter((status) => shown(status, all).length > 0);
  } else {
    // Asked first: it says why a process cannot be read at all.
    const process = await engine.processInfo(pid);
    statuses = [
      (await engine.status(pid)) ?? {
        pid,
        exe: process.exe,
        buildId: process.buildId,
        updates: [],
      },
    ];
  }
  const byPid = [...statuses].sort((left, right) => left.pid - right.pid);
  for (const status of byPid) {
    const updates = shown(status, all);
    context.reporter.result(statusText(status, updates), statusLine(status, updates));
  }
  if (byPid.length === 0 && !context.parsed.flags.has("json")) {
    context.reporter.result("no process that we may read carries updates", {});
  }
  return "completed";
};

function shown(status: ProcessStatus, all: boolean): readonly UpdateStatus[] {
  return all ? status.updates : status.updates.filter((update) => update.state !== "rolled-back");
}

function statusLine(status: ProcessStatus, updates: readonly UpdateStatus[]): StatusLine {
  return {
    pid: status.pid,
    exe: status.exe,
    build_id: status.buildId,
    updates: updates.map((update) => ({
      name: update.name,
      points: update.points,
      patches: update.patches.map(({ name, digest, functions }) => ({ name, digest, functions })),
      state: update.state,
      applied_at: update.appliedAt,
    })),
  };
}

function statusText(status: ProcessStatus, updates: readonly UpdateStatus[]): string {
  const buildId = status.buildId === null ? "" : ` (build-id ${status.buildId.slice(0, 12)})`;
  const lines = [`pid ${status.pid}  ${status.exe}${buildId}`];
  if (updates.length === 0) lines.push("  carries no updates");
  for (const update of updates) {
    const at = update.at === null ? "" : `, at rollback point ${update.at}`;
    lines.push(`  ${update.name}: ${update.state}${at}, applied ${update.appliedAt}`);
    lines.push(`    rollback points: ${update.points.join(", ")}`);
    for (const patch of update.patches) {
      const state = patch.active || update.state !== "active" ? "" : " (rolled back)";
      lines.push(
        `    patch ${patch.name} ${patch.digest.slice(0, 12)}${state}: ` +
          `${count(patch.functions.length, "function")}: ${patch.functions.join(", ")}`,
      );
    }
  }
  return lines.join("\n");
}

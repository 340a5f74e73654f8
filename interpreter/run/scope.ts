/** The processes of a tree that carry an update, for taking it back or recovering it. */
import type { Engine, ProcessStatus } from "../../native/engine.js";
import { EngineError } from "../../native/engine.js";
import type { SessionScope } from "./sessions.js";

/**
 * A process as the engine is given it for taking updates back: with those of its
 * descendants that carry one of the updates when any of them was applied to a tree.
 */
export async function scopeOfUpdates(
  engine: Engine,
  pid: number,
  treeUpdates: readonly string[],
): Promise<SessionScope> {
  if (treeUpdates.length === 0) return { scope: "process", roots: [pid], pids: [pid] };
  const pids = [pid];
  for (const process of await engine.descendants(pid)) {
    if (carriesOne(await unlessGone(engine.status(process.pid)), treeUpdates)) {
      pids.push(process.pid);
    }
  }
  return { scope: "tree", roots: [pid], pids };
}

function carriesOne(status: ProcessStatus | null, names: readonly string[]): boolean {
  return (status?.updates ?? []).some(
    (update) => update.state !== "rolled-back" && names.includes(update.name),
  );
}

/** What was asked of a process, or null when that has ended between being listed and being asked. */
export async function unlessGone<T>(answer: Promise<T | null>): Promise<T | null> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof EngineError && error.code === "NO_SUCH_PROCESS") return null;
    throw error;
  }
}

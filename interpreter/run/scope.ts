/** The processes of a tree that carry an update, for taking it back or recovering it. */
import type { Engine } from "../../native/engine.js";
import { EngineError } from "../../native/engine.js";

/** `pid` and those of its descendants whose record has one of these updates standing. */
export async function withTree(
  engine: Engine,
  pid: number,
  updates: readonly string[],
): Promise<readonly number[]> {
  const pids = [pid];
  for (const process of await engine.descendants(pid)) {
    try {
      const status = await engine.status(process.pid);
      const carries = status?.updates.some(
        (update) => update.state !== "rolled-back" && updates.includes(update.name),
      );
      if (carries === true) pids.push(process.pid);
    } catch (error) {
      // It has ended between being listed and being asked.
      if (!(error instanceof EngineError) || error.code !== "NO_SUCH_PROCESS") throw error;
    }
  }
  return pids;
}

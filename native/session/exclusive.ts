/** One polus at a time changes a process. */
import { addon } from "../addon/addon.js";
import { EngineError } from "../engine.js";
import type { TargetProcess } from "./target_process.js";

/** @throws EngineError refused RUN_IN_PROGRESS: another polus is changing one of the processes */
export async function exclusively<T>(
  members: readonly TargetProcess[],
  work: () => Promise<T>,
): Promise<T> {
  const locked: TargetProcess[] = [];
  try {
    for (const member of members) {
      if (addon.lockTarget(member.handle)) locked.push(member);
      else if (member.alive)
        throw new EngineError(
          "RUN_IN_PROGRESS",
          "refused",
          `another polus is at work on process ${member.pid}`,
          { pid: member.pid, help: "try again when it has finished" },
        );
    }
    return await work();
  } finally {
    for (const member of locked) addon.unlockTarget(member.handle);
  }
}

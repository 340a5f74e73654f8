/** Whether other processes run in a target's memory. */
import { setTimeout as pause } from "node:timers/promises";
import { addon } from "../addon/addon.js";
import { EngineError, type EventSink } from "../engine.js";
import { childrenOf } from "../process/family.js";
import { readStat } from "../process/proc.js";
import type { TargetProcess } from "./target_process.js";

const sharedMemoryPatienceMs = 2_000;

/**
 * Waits until no other process runs in the same memory (vfork and CLONE_VM children): it
 * would execute entry bytes that change under it.
 * @throws EngineError refused CANNOT_STOP
 */
export async function awaitSoleUse(process: TargetProcess, onEvent: EventSink): Promise<void> {
  const until = Date.now() + sharedMemoryPatienceMs;
  for (let told = false; ;) {
    const relatives = [...childrenOf(process.pid), readStat(process.pid)?.parent ?? 0];
    const other = relatives.find(
      (pid) => pid > 0 && readStat(pid)?.state !== "Z" && addon.sharesMemory(process.pid, pid),
    );
    if (other === undefined) return;
    if (Date.now() > until) {
      throw new EngineError(
        "CANNOT_STOP",
        "refused",
        `process ${other} runs in the memory of process ${process.pid} (vfork)`,
        {
          pid: process.pid,
          help: "try again when it has executed its program",
        },
      );
    }
    if (!told)
      onEvent({
        event: "waiting",
        pid: process.pid,
        why: `process ${other} runs in its memory (vfork)`,
      });
    told = true;
    await pause(10);
  }
}

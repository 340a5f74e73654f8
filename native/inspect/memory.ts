/** How much memory a process uses, as /proc tells. */
import { EngineError } from "../engine.js";
import type { MemoryUse } from "../inspection.js";
import { readStatus, statusBytes } from "../process/proc.js";

/** @throws EngineError refused TARGET_GONE */
export function memoryUse(pid: number): MemoryUse {
  const status = readStatus(pid);
  if (!status.has("VmSize"))
    throw new EngineError("TARGET_GONE", "refused", `process ${pid} has ended`, { pid });
  return {
    virtual: statusBytes(status, "VmSize"),
    resident: statusBytes(status, "VmRSS"),
    data: statusBytes(status, "VmData"),
    swapped: statusBytes(status, "VmSwap"),
  };
}

/** The processes that a process has started and that are its children still. */
import { EngineError, type ProcessInfo } from "../engine.js";
import { childrenOf } from "../process/family.js";
import { processInfo } from "../process/process_info.js";

/**
 * Those that have ended are left out.
 * @throws EngineError refused PERMISSION
 */
export function childProcesses(pid: number): ProcessInfo[] {
  const found: ProcessInfo[] = [];
  for (const child of childrenOf(pid)) {
    try {
      found.push(processInfo(child));
    } catch (error) {
      if (!(error instanceof EngineError && error.code === "NO_SUCH_PROCESS")) throw error;
    }
  }
  return found;
}

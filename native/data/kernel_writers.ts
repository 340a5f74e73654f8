/**
 * Ways by which the kernel writes to a process's memory at any later time, not during a call: such writes
 * would miss the other version of data.
 */
import { EngineError } from "../engine.js";
import { filesOf } from "../inspect/files.js";
import type { MapEntry } from "../process/proc.js";

/** @throws EngineError refused KERNEL_WRITES */
export function checkKernelWriters(pid: number, maps: readonly MapEntry[]): void {
  const refuse = (what: string): EngineError =>
    new EngineError(
      "KERNEL_WRITES",
      "refused",
      `process ${pid} uses ${what}: the kernel writes to its memory at any time, past both versions of data`,
      { pid, help: "only its functions can be updated while it runs" },
    );
  if (maps.some(({ path }) => path.startsWith("/[aio]"))) throw refuse("asynchronous I/O (aio)");
  if (filesOf(pid).some(({ path }) => path === "anon_inode:[io_uring]")) throw refuse("io_uring");
}

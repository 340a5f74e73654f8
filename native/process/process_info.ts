/** What is told of a process before anything is done to it. */
import { statSync } from "node:fs";
import { addon } from "../addon/addon.js";
import { EngineError, type ProcessInfo } from "../engine.js";
import { hasEnded, readCommandLine, readExe, readMaps, readStat, readStatus } from "./proc.js";

/** Build-id of the executable of a process, `null` if it has none or cannot be read. */
function buildIdOf(pid: number, exe: string): string | null {
  const first = readMaps(pid).find((m) => m.path === exe);
  if (first === undefined) return null;
  try {
    return addon.moduleInfo(addon.openModule(`/proc/${pid}/exe`, { loadAddress: first.start }))
      .buildId;
  } catch {
    return null;
  }
}

/** @throws EngineError refused: NO_SUCH_PROCESS, KERNEL_THREAD, PERMISSION */
export function processInfo(pid: number): ProcessInfo {
  const stat = readStat(pid);
  const gone = (): EngineError =>
    new EngineError("NO_SUCH_PROCESS", "refused", `there is no process ${pid}`, { pid });
  if (stat === null || stat.state === "Z") throw gone();
  if (stat.kernelThread)
    throw new EngineError("KERNEL_THREAD", "refused", `process ${pid} is a kernel thread`, { pid });
  const exe = readExe(pid);
  if (exe === null) {
    if (hasEnded(pid)) throw gone();
    throw new EngineError(
      "PERMISSION",
      "refused",
      `the executable of process ${pid} cannot be seen`,
      {
        pid,
        help: "run polus as root, or as the process's own user with CAP_SYS_PTRACE",
      },
    );
  }
  return {
    pid,
    parent: stat.parent,
    exe: exe.path,
    exeDeleted: exe.deleted,
    buildId: buildIdOf(pid, exe.path),
    commandLine: readCommandLine(pid),
    threads: stat.threads,
    user: Number(readStatus(pid).get("Uid")?.split(/\s+/)[0] ?? -1),
  };
}

/** Our own inode number of an executable, to tell programs apart; `null` if it cannot be seen. */
export function executableIdentity(pid: number): string | null {
  try {
    const s = statSync(`/proc/${pid}/exe`);
    return `${s.dev}:${s.ino}`;
  } catch {
    return null;
  }
}

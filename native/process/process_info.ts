/** What is told of a process before anything is done to it. */
import { statSync } from "node:fs";
import { addon } from "../addon/addon.js";
import { EngineError, type ProcessInfo } from "../engine.js";
import { hasEnded, readCommandLine, readExe, readMaps, readStat, readStatus } from "./proc.js";

/** By file; reading a large executable takes long, and the same process is asked about again and again. */
const buildIds = new Map<string, string | null>();
const mostBuildIds = 64;

/** Build-id of the executable of a process, `null` if it has none or cannot be read. */
function buildIdOf(pid: number, exe: string): string | null {
  const file = fileIdentity(pid);
  const known = file === null ? undefined : buildIds.get(file);
  if (known !== undefined) return known;
  const found = readBuildId(pid, exe);
  if (buildIds.size >= mostBuildIds) buildIds.clear();
  if (file !== null) buildIds.set(file, found);
  return found;
}

/** The executable as it is on disk at this moment: another one, or a changed one, has another identity. */
function fileIdentity(pid: number): string | null {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = statSync(`/proc/${pid}/exe`, { bigint: true });
    return [dev, ino, size, mtimeNs, ctimeNs].join(":");
  } catch {
    return null;
  }
}

function readBuildId(pid: number, exe: string): string | null {
  const first = readMaps(pid).find((m) => m.path === exe);
  if (first === undefined) return null;
  try {
    const path = `/proc/${pid}/exe`;
    const found = addon.fileBuildId(path);
    if (found !== null) return found;
    // Without section headers the note is looked for in the segments of the whole file.
    return addon.moduleInfo(addon.openModule(path, { loadAddress: first.start })).buildId;
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

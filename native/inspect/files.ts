/** The descriptor table of a process. */
import { readFileSync, readdirSync, readlinkSync, statSync } from "node:fs";
import { EngineError } from "../engine.js";
import type { OpenFile } from "../inspection.js";
import { hasEnded } from "../process/proc.js";

function kindOf(link: string): OpenFile["kind"] {
  try {
    const stat = statSync(link);
    if (stat.isFile()) return "file";
    if (stat.isDirectory()) return "directory";
    if (stat.isSocket()) return "socket";
    if (stat.isFIFO()) return "pipe";
    if (stat.isCharacterDevice() || stat.isBlockDevice()) return "device";
  } catch {
    // Closed meanwhile, or on a file system that does not answer.
  }
  return "other";
}

/** `pos` and `flags` (octal) of /proc/PID/fdinfo/FD. */
function infoOf(pid: number, fd: number): { position: bigint; flags: number } {
  const text = readFileSync(`/proc/${pid}/fdinfo/${fd}`, "latin1");
  const position = /^pos:\s*([0-9]+)$/m.exec(text)?.[1] ?? "0";
  const flags = /^flags:\s*([0-7]+)$/m.exec(text)?.[1] ?? "0";
  return { position: BigInt(position), flags: Number.parseInt(flags, 8) };
}

/**
 * By number; descriptors that are closed meanwhile are left out. An anonymous inode (epoll,
 * eventfd…) may look like a file to stat(2): its link tells what it is.
 * @throws EngineError refused TARGET_GONE, PERMISSION
 */
export function filesOf(pid: number): OpenFile[] {
  let numbers: number[];
  try {
    numbers = readdirSync(`/proc/${pid}/fd`).map(Number);
  } catch {
    if (hasEnded(pid))
      throw new EngineError("TARGET_GONE", "refused", `process ${pid} has ended`, { pid });
    throw new EngineError("PERMISSION", "refused", `the open files of ${pid} cannot be seen`, {
      pid,
      help: "run polus as root, or as the process's own user with CAP_SYS_PTRACE",
    });
  }
  const files: OpenFile[] = [];
  for (const fd of numbers.sort((a, b) => a - b)) {
    const link = `/proc/${pid}/fd/${fd}`;
    try {
      const path = readlinkSync(link);
      const kind = path.startsWith("anon_inode:") ? "other" : kindOf(link);
      files.push({ fd, path, kind, ...infoOf(pid, fd) });
    } catch {
      // Closed meanwhile.
    }
  }
  return files;
}

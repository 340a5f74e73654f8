/** What /proc tells of processes. Every reader copes with a process that ends meanwhile. */
import { readFileSync, readdirSync, readlinkSync } from "node:fs";
import { basename } from "node:path";

/** Fields of /proc/PID/stat that we use (proc(5)). */
export interface ProcessStat {
  readonly state: string;
  readonly parent: number;
  /** PF_KTHREAD. */
  readonly kernelThread: boolean;
  readonly threads: number;
  /** Clock ticks since boot. */
  readonly startTime: bigint;
}

const kernelThreadFlag = 0x00200000;

function read(path: string): string | null {
  try {
    // As readlink decodes: paths from both are compared.
    return readFileSync(path, "utf8");
  } catch {
    return null;
  }
}

/** What follows the name, from the state on (field 3); the name may hold anything. */
function statFields(text: string): string[] {
  return text.slice(text.lastIndexOf(")") + 2).split(" ");
}

/** `null`: there is no such process. */
export function readStat(pid: number): ProcessStat | null {
  const text = read(`/proc/${pid}/stat`);
  if (text === null) return null;
  const fields = statFields(text);
  return {
    state: fields[0] ?? "X",
    parent: Number(fields[1] ?? 0),
    kernelThread: (Number(fields[6] ?? 0) & kernelThreadFlag) !== 0,
    threads: Number(fields[17] ?? 0),
    startTime: BigInt(fields[19] ?? "0"),
  };
}

/**
 * True for a process that has ended, and for one that is ending: once it has given its memory back it
 * runs no code any more, though the kernel still lists it for a moment as if it did.
 */
export function hasEnded(pid: number): boolean {
  const stat = readStat(pid);
  if (stat === null || stat.state === "Z" || stat.state === "X") return true;
  return !stat.kernelThread && !readStatus(pid).has("VmSize");
}

/** `Key:` lines of /proc/PID/status. */
export function readStatus(pid: number): ReadonlyMap<string, string> {
  const fields = new Map<string, string>();
  for (const line of (read(`/proc/${pid}/status`) ?? "").split("\n")) {
    const colon = line.indexOf(":");
    if (colon > 0) fields.set(line.slice(0, colon), line.slice(colon + 1).trim());
  }
  return fields;
}

export function readCommandLine(pid: number): string[] {
  const text = read(`/proc/${pid}/cmdline`) ?? "";
  return text.split("\0").filter((word, at, all) => word !== "" || at < all.length - 1);
}

/** The executable's path as the kernel shows it; `null` for kernel threads and without permission. */
export function readExe(pid: number): { readonly path: string; readonly deleted: boolean } | null {
  try {
    const link = readlinkSync(`/proc/${pid}/exe`);
    const deleted = link.endsWith(" (deleted)");
    return { path: deleted ? link.slice(0, -" (deleted)".length) : link, deleted };
  } catch {
    return null;
  }
}

export function listPids(): number[] {
  return readdirSync("/proc")
    .filter((name) => /^[0-9]+$/.test(name))
    .map(Number)
    .sort((a, b) => a - b);
}

/** Thread ids of a process, the main thread's first as the kernel lists them; empty once it is gone. */
export function listThreads(pid: number): number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).map(Number);
  } catch {
    return [];
  }
}

/** `null` for a thread that has ended. */
export function readTaskFile(pid: number, tid: number, file: string): string | null {
  try {
    return readFileSync(`/proc/${pid}/task/${tid}/${file}`, "latin1");
  } catch {
    return null;
  }
}

/** Of /proc/PID/task/TID/stat (proc(5)). */
export interface TaskStat {
  readonly state: string;
  /** User and system time, in clock ticks. */
  readonly ticks: bigint;
}

/** `null` for a thread that has ended. */
export function readTaskStat(pid: number, tid: number): TaskStat | null {
  const text = readTaskFile(pid, tid, "stat");
  if (text === null) return null;
  const fields = statFields(text);
  return {
    state: fields[0] ?? "X",
    ticks: BigInt(fields[11] ?? 0) + BigInt(fields[12] ?? 0),
  };
}

/** Empty for a thread that has ended. */
export function readThreadName(pid: number, tid: number): string {
  return (readTaskFile(pid, tid, "comm") ?? "").replace(/\n$/, "");
}

/** One line of /proc/PID/maps. */
export interface MapEntry {
  readonly start: bigint;
  readonly end: bigint;
  readonly permissions: string;
  readonly offset: bigint;
  readonly device: string;
  readonly inode: number;
  /** Empty for anonymous memory; without " (deleted)". */
  readonly path: string;
  readonly deleted: boolean;
}

const mapLine = /^([0-9a-f]+)-([0-9a-f]+) (\S{4}) ([0-9a-f]+) (\S+) ([0-9]+) *(.*)$/;

/** Sorted by address; empty once the process is gone. */
export function readMaps(pid: number): MapEntry[] {
  const entries: MapEntry[] = [];
  for (const line of (read(`/proc/${pid}/maps`) ?? "").split("\n")) {
    const match = mapLine.exec(line);
    if (match === null) continue;
    const path = match[7] ?? "";
    const deleted = path.endsWith(" (deleted)");
    entries.push({
      start: BigInt(`0x${match[1]}`),
      end: BigInt(`0x${match[2]}`),
      permissions: match[3] ?? "----",
      offset: BigInt(`0x${match[4]}`),
      device: match[5] ?? "",
      inode: Number(match[6]),
      path: deleted ? path.slice(0, -" (deleted)".length) : path,
      deleted,
    });
  }
  return entries;
}

/** A soft limit of /proc/PID/limits in its own unit; `null` for unlimited or unknown. */
export function readSoftLimit(pid: number, name: string): bigint | null {
  for (const line of (read(`/proc/${pid}/limits`) ?? "").split("\n")) {
    if (!line.startsWith(name)) continue;
    const value = line.slice(name.length).trim().split(/\s+/)[0] ?? "";
    return /^[0-9]+$/.test(value) ? BigInt(value) : null;
  }
  return null;
}

/** Kilobytes of a `/proc/PID/status` field such as VmSize, in bytes. */
export function statusBytes(status: ReadonlyMap<string, string>, key: string): bigint {
  const match = /^([0-9]+) kB$/.exec(status.get(key) ?? "");
  return match === null ? 0n : BigInt(match[1] ?? "0") * 1024n;
}

/** True if the path is `name`, or ends in it where `name` has no slash. */
export function namesExecutable(path: string, name: string): boolean {
  return name.includes("/") ? path === name : basename(path) === name;
}

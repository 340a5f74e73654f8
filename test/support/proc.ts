/** What /proc tells of a process from outside. */
import { closeSync, openSync, readdirSync, readFileSync, readSync, writeSync } from "node:fs";

/** Ids of all threads, none of a process that is gone. */
function threads(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/task`);
  } catch {
    return [];
  }
}

function statusField(path: string, field: string): string {
  const line = readFileSync(path, "utf8")
    .split("\n")
    .find((text) => text.startsWith(`${field}:`));
  return line?.slice(field.length + 1).trim() ?? "";
}

/** State letters of all threads: R S D T (stopped by a signal) t (held by a tracer) Z. */
export function threadStates(pid: number): string[] {
  return threads(pid).flatMap((thread) => {
    try {
      return [statusField(`/proc/${pid}/task/${thread}/status`, "State").charAt(0)];
    } catch {
      return []; // ended meanwhile
    }
  });
}

/** Pids of those that trace threads of the process. */
export function tracers(pid: number): number[] {
  return threads(pid).flatMap((thread) => {
    try {
      const tracer = Number(statusField(`/proc/${pid}/task/${thread}/status`, "TracerPid"));
      return tracer === 0 ? [] : [tracer];
    } catch {
      return [];
    }
  });
}

/** Number of threads. */
export function threadCount(pid: number): number {
  return threads(pid).length;
}

/** A memory figure of /proc/PID/status in KiB, such as VmSize or VmRSS. */
export function memoryKiB(pid: number, field: "VmSize" | "VmRSS" | "VmData"): number {
  return Number.parseInt(statusField(`/proc/${pid}/status`, field), 10);
}

/** Whether a process of that number is there (zombies count). */
export function exists(pid: number): boolean {
  try {
    readFileSync(`/proc/${pid}/stat`);
    return true;
  } catch {
    return false;
  }
}

/** Direct children. */
export function childrenOf(pid: number): number[] {
  return threads(pid).flatMap((thread) =>
    readFileSync(`/proc/${pid}/task/${thread}/children`, "utf8")
      .split(" ")
      .filter((text) => text !== "")
      .map(Number),
  );
}

/** Lines of /proc/PID/maps. */
export function mappings(pid: number): string[] {
  return readFileSync(`/proc/${pid}/maps`, "utf8").trimEnd().split("\n");
}

/** Mappings that can be written and executed at once; there must never be any. */
export function writableCode(pid: number): string[] {
  return mappings(pid).filter((line) => / .w.?x/.test(line) || / rwx/.test(line));
}

/** Bounds of a line of /proc/PID/maps. */
export function bounds(mapping: string): { readonly start: number; readonly end: number } {
  const [, start = "", end = ""] = /^([0-9a-f]+)-([0-9a-f]+) /.exec(mapping) ?? [];
  return { start: Number.parseInt(start, 16), end: Number.parseInt(end, 16) };
}

/** Reads memory of a process, as far as it goes. */
export function readMemory(pid: number, from: number, length: number): Buffer {
  const memory = openSync(`/proc/${pid}/mem`, "r");
  try {
    const bytes = Buffer.alloc(length);
    return bytes.subarray(0, readSync(memory, bytes, 0, length, from));
  } finally {
    closeSync(memory);
  }
}

/** Writes memory of a process by force, behind everybody's back. */
export function writeMemory(pid: number, to: number, bytes: Uint8Array): void {
  const memory = openSync(`/proc/${pid}/mem`, "r+");
  try {
    writeSync(memory, bytes, 0, bytes.length, to);
  } finally {
    closeSync(memory);
  }
}

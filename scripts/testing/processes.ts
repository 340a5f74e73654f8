/** Finds and ends the processes that a test file started, and only those. */
import { readdirSync, readFileSync } from "node:fs";

/** One process by /proc; the start time guards against a pid that was used again. */
export interface FoundProcess {
  readonly pid: number;
  readonly name: string;
  readonly startTime: string;
}

interface Stat {
  readonly name: string;
  readonly state: string;
  readonly session: number;
  readonly startTime: string;
}

function readStat(pid: number): Stat | null {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, "utf8");
  } catch {
    return null;
  }
  // The name stands in brackets and may itself hold blanks and brackets.
  const close = text.lastIndexOf(")");
  const fields = text.slice(close + 2).split(" ");
  return {
    name: text.slice(text.indexOf("(") + 1, close),
    state: fields[0] ?? "?",
    session: Number(fields[3]),
    startTime: fields[19] ?? "",
  };
}

function carriesMark(pid: number, mark: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/environ`, "latin1").split("\0").includes(mark);
  } catch {
    return false;
  }
}

/**
 * Living processes that belong to the session `session` or carry `mark`
 * (`NAME=value`) in their environment; zombies do not count.
 */
export function findProcesses(session: number, mark: string): FoundProcess[] {
  const found: FoundProcess[] = [];
  for (const entry of readdirSync("/proc")) {
    const pid = Number(entry);
    if (!Number.isInteger(pid) || pid === process.pid) continue;
    const stat = readStat(pid);
    if (stat === null || stat.state === "Z" || stat.state === "X") continue;
    if (stat.session !== session && !carriesMark(pid, mark)) continue;
    found.push({ pid, name: stat.name, startTime: stat.startTime });
  }
  return found;
}

/** Ends each with SIGKILL, unless its pid means another process by now. */
export function endProcesses(processes: readonly FoundProcess[]): void {
  for (const { pid, startTime } of processes) {
    if (readStat(pid)?.startTime !== startTime) continue;
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // It ended by itself in between.
    }
  }
}

/** The threads of a process, as /proc tells. */
import type { ThreadInfo } from "../inspection.js";
import { listThreads, readTaskFile, readTaskStat, readThreadName } from "../process/proc.js";

/** Ticks of /proc/PID/stat are hundredths of a second on x86-64 (USER_HZ). */
const nanosecondsPerTick = 10_000_000n;

/** Threads that end meanwhile are left out. */
export function threadsOf(pid: number): ThreadInfo[] {
  const threads: ThreadInfo[] = [];
  for (const tid of listThreads(pid)) {
    const stat = readTaskStat(pid, tid);
    if (stat === null) continue;
    // Nanoseconds where the kernel keeps scheduler statistics, else ticks of user and system time.
    const exact = /^([0-9]+) /.exec(readTaskFile(pid, tid, "schedstat") ?? "")?.[1];
    threads.push({
      tid,
      name: readThreadName(pid, tid),
      state: stat.state,
      cpuTime: exact === undefined ? stat.ticks * nanosecondsPerTick : BigInt(exact),
    });
  }
  return threads;
}

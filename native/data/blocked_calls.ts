/**
 * Threads that wait in a system call which will write to memory that is about to be guarded: the kernel would answer
 * EFAULT. Calls that may fail with EINTR at any time do so, and come again through the hook, which gives the kernel
 * other memory.
 */
import { setTimeout as pause } from "node:timers/promises";
import { addon, type TracerHandle } from "../addon/addon.js";
import { listThreads, readTaskFile } from "../process/proc.js";
import { onTarget, type TargetProcess } from "../session/target_process.js";

const mostLooks = 50;
const lookAgainMs = 2;

/** An argument that points to what is written. */
interface Out {
  readonly argument: number;
  readonly size: (words: readonly bigint[]) => number;
}

const itemsOf =
  (count: number, size: number) =>
  (words: readonly bigint[]): number =>
    Math.max(0, Number(BigInt.asIntN(32, words[count] ?? 0n))) * size;
const polled: readonly Out[] = [{ argument: 0, size: itemsOf(1, 8) }];
const selected: readonly Out[] = [1, 2, 3].map((argument) => ({ argument, size: () => 128 }));
const awaited: readonly Out[] = [{ argument: 1, size: itemsOf(2, 12) }];

const poll = 7;
const restartSyscall = 219;

/** Never restarted after a signal (signal(7)), so that every program has to take EINTR from them. */
const interruptible: ReadonlyMap<number, readonly Out[]> = new Map([
  [poll, polled],
  [271, polled], // ppoll
  [23, selected], // select
  [270, selected], // pselect6
  [232, awaited], // epoll_wait
  [281, awaited], // epoll_pwait
  [441, awaited], // epoll_pwait2
]);

export interface BlockedCall {
  readonly tid: number;
  readonly number: number;
  readonly words: readonly bigint[];
  readonly sp: bigint;
}

/** What a thread waits in (proc(5), /proc/PID/syscall); `running`, or `null` for one that has ended. */
export function blockedCallOf(pid: number, tid: number): BlockedCall | "running" | null {
  const text = readTaskFile(pid, tid, "syscall");
  if (text === null) return null;
  const [first = "", ...words] = text.trim().split(" ");
  if (!/^\d+$/.test(first) || words.length !== 8) return "running";
  const values = words.map(BigInt);
  let number = Number(first);
  // With the arguments of the call that it goes on with; of those with other numbers only poll is ours.
  if (number === restartSyscall && /poll/.test(readTaskFile(pid, tid, "wchan") ?? ""))
    number = poll;
  return { tid, number, words: values.slice(0, 6), sp: values[6] ?? 0n };
}

/**
 * Ends each call of the kind whose memory `concerns` us, until every thread was seen in another, or does nothing but
 * run. What begins meanwhile must be given other memory.
 */
export async function endBlockedCalls(
  tracer: TracerHandle,
  process: TargetProcess,
  concerns: (at: bigint, size: number) => Promise<boolean>,
): Promise<void> {
  const { pid, handle } = process;
  const isConcerned = async ({ number, words }: BlockedCall): Promise<boolean> => {
    for (const { argument, size } of interruptible.get(number) ?? []) {
      const at = words[argument] ?? 0n;
      if (at !== 0n && size(words) > 0 && (await concerns(at, size(words)))) return true;
    }
    return false;
  };
  const settles = async (tid: number): Promise<boolean> => {
    const call = blockedCallOf(pid, tid);
    // One that runs may be about to go on with a call that we have interrupted ourselves.
    if (call === "running") return false;
    if (call === null || !(await isConcerned(call))) return true;
    await onTarget(pid, () => addon.tracerEndCall(tracer, handle, tid, call.number, call.sp));
    addon.faultPoint();
    return false;
  };
  let left = listThreads(pid);
  for (let look = 1; ; look++) {
    const unsettled = [];
    for (const tid of left) if (!(await settles(tid))) unsettled.push(tid);
    left = unsettled;
    if (left.length === 0 || look === mostLooks) return;
    await pause(lookAgainMs);
  }
}

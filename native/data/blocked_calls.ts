/**
 * Threads that wait in a system call which will write to memory that is about to be guarded: the kernel would answer
 * EFAULT. Calls that may fail with EINTR at any time do so, and come again through the hook, which gives the kernel
 * other memory.
 */
import { readFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { addon, type TracerHandle } from "../addon/addon.js";
import { listThreads } from "../process/proc.js";
import { onTarget } from "../session/target_process.js";
import type { TargetProcess } from "../session/target_process.js";

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

interface BlockedCall {
  readonly tid: number;
  readonly number: number;
  readonly words: readonly bigint[];
  readonly sp: bigint;
}

function readTaskFile(pid: number, tid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/task/${tid}/${file}`, "latin1").trim();
  } catch {
    return "";
  }
}

/** What a thread waits in (proc(5), /proc/PID/syscall). */
function blockedCallOf(pid: number, tid: number): BlockedCall | null {
  const [first = "", ...words] = readTaskFile(pid, tid, "syscall").split(" ");
  if (!/^\d+$/.test(first) || words.length !== 8) return null;
  const values = words.map(BigInt);
  let number = Number(first);
  // With the arguments of the call that it goes on with; of those with other numbers only poll is ours.
  if (number === restartSyscall && /poll/.test(readTaskFile(pid, tid, "wchan"))) number = poll;
  return { tid, number, words: values.slice(0, 6), sp: values[6] ?? 0n };
}

/** Ends each call of the kind whose memory `concerns` us, until every thread was seen in no such call, or only runs. */
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
  // What begins from now on is given other memory.
  const settled = new Set<number>();
  for (let look = 0; look < mostLooks; look++) {
    const left = listThreads(pid).filter((tid) => !settled.has(tid));
    if (left.length === 0) return;
    for (const tid of left) {
      const call = blockedCallOf(pid, tid);
      // It may run, or be about to go on with a call that we have interrupted ourselves.
      if (call === null) continue;
      if (!(await isConcerned(call))) {
        settled.add(tid);
        continue;
      }
      await onTarget(pid, () => addon.tracerEndCall(tracer, handle, tid, call.number, call.sp));
      addon.faultPoint();
    }
    await pause(lookAgainMs);
  }
}

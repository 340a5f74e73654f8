/**
 * Threads that wait in a system call which will write to memory that is about to be guarded, or may be at any time
 * while two versions are in use, as objects are created beside: the kernel would answer EFAULT. The runtime makes such
 * calls again, with other memory; the program notices nothing.
 */
import { setTimeout as pause } from "node:timers/promises";
import { addon, type TargetHandle, type TracerHandle } from "../addon/addon.js";
import { listThreads, readMaps, readTaskFile, type MapEntry } from "../process/proc.js";
import { onTarget, type TargetProcess } from "../session/target_process.js";

/** POLUS_OTHER_MEMORY, and how far before what a call was given instead of the program's memory. */
const otherMemory = 0x4f534c504f574e21n;
const otherMemoryBefore = 64n;

const mostLooks = 50;
const lookAgainMs = 2;

/** Bytes that a call writes. */
interface Out {
  readonly at: bigint;
  readonly size: number;
}

/** What a call writes, by its arguments. */
type Writes = (words: readonly bigint[], target: TargetHandle) => readonly Out[];

const word = (words: readonly bigint[], argument: number): bigint => words[argument] ?? 0n;
const int = (words: readonly bigint[], argument: number): number =>
  Math.max(0, Number(BigInt.asIntN(32, word(words, argument))));

const items =
  (argument: number, count: number, size: number): Writes =>
  (words) => [{ at: word(words, argument), size: int(words, count) * size }];
const fixed =
  (...outs: readonly (readonly [argument: number, size: number])[]): Writes =>
  (words) =>
    outs.map(([argument, size]) => ({ at: word(words, argument), size }));
/** Of a length that is too much by far the kernel takes a part (read(2)). */
const most = 0x7ffff000n;
const buffer = (at: bigint, size: bigint): Out => ({ at, size: Number(size < most ? size : most) });

const polled = items(0, 1, 8);
const selected = fixed([1, 128], [2, 128], [3, 128]);
const awaited = items(1, 2, 12);

const poll = 7;
const restartSyscall = 219;

const vectorSize = 16;
const mostVectors = 1024;
const messageSize = 56;

/** An array of struct iovec (readv(2)). */
function vectors(target: TargetHandle, at: bigint, count: number): readonly Out[] {
  const bytes = addon.readMemorySome(target, at, Math.min(count, mostVectors) * vectorSize);
  const outs: Out[] = [];
  for (let from = 0; from + vectorSize <= bytes.length; from += vectorSize)
    outs.push(buffer(bytes.readBigUInt64LE(from), bytes.readBigUInt64LE(from + 8)));
  return outs;
}

/** A struct msghdr and what it leads to (recvmsg(2)). */
const message: Writes = (words, target) => {
  const at = word(words, 1);
  const bytes = addon.readMemorySome(target, at, messageSize);
  if (bytes.length < messageSize) return [];
  return [
    { at, size: messageSize },
    { at: bytes.readBigUInt64LE(0), size: bytes.readUInt32LE(8) },
    ...vectors(target, bytes.readBigUInt64LE(16), Number(bytes.readBigUInt64LE(24) & 0xffffn)),
    buffer(bytes.readBigUInt64LE(32), bytes.readBigUInt64LE(40)),
  ];
};

/** A socket address, and the 32 bits that say how much room it has. */
const addressed =
  (argument: number): Writes =>
  (words, target) => {
    const length = word(words, argument + 1);
    const size = length === 0n ? Buffer.alloc(0) : addon.readMemorySome(target, length, 4);
    return [
      { at: length, size: 4 },
      { at: word(words, argument), size: size.length < 4 ? 0 : size.readUInt32LE() },
    ];
  };
const addressOf = addressed(4);

/** Those that `polus_blocked` makes again: what may wait for long and writes memory. */
const writers: ReadonlyMap<number, Writes> = new Map<number, Writes>([
  [0, (words) => [buffer(word(words, 1), word(words, 2))]], // read
  [19, (words, target) => vectors(target, word(words, 1), int(words, 2))], // readv
  [
    45, // recvfrom
    (words, target) => [buffer(word(words, 1), word(words, 2)), ...addressOf(words, target)],
  ],
  [47, message], // recvmsg
  [43, addressed(1)], // accept
  [288, addressed(1)], // accept4
  [61, fixed([1, 4], [3, 144])], // wait4
  [247, fixed([2, 128])], // waitid
  [poll, polled],
  [271, polled], // ppoll
  [23, selected], // select
  [270, selected], // pselect6
  [232, awaited], // epoll_wait
  [281, awaited], // epoll_pwait
  [441, awaited], // epoll_pwait2
  [128, fixed([1, 128])], // rt_sigtimedwait
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
 * Has the runtime make each call of the kind, until every thread was seen in another, or does nothing but run. What
 * begins meanwhile must be given other memory.
 * @param again where the runtime makes a call again
 * @param concerns whether the kernel must not be given these bytes; asked of those on the thread's own stack, where no
 *   objects are created
 */
export async function moveBlockedCalls(
  tracer: TracerHandle,
  process: TargetProcess,
  again: bigint,
  concerns: (at: bigint, size: number) => Promise<boolean>,
): Promise<void> {
  const { pid, handle } = process;
  const maps = readMaps(pid);
  const mappingOf = (at: bigint): MapEntry | undefined =>
    maps.find(({ start, end }) => at >= start && at < end);
  const isOther = (at: bigint): boolean => {
    const before = addon.readMemorySome(handle, at - otherMemoryBefore, 8);
    return before.length === 8 && before.readBigUInt64LE() === otherMemory;
  };
  const areConcerned = async (outs: readonly Out[], sp: bigint): Promise<boolean> => {
    const stack = mappingOf(sp);
    for (const { at, size } of outs) {
      if (at === 0n || size === 0) continue;
      if (mappingOf(at) === stack ? await concerns(at, size) : !isOther(at)) return true;
    }
    return false;
  };
  const moved = new Set<number>();
  /** False: it was moved, or is about to be in another call. */
  const settles = async (tid: number): Promise<boolean> => {
    const call = blockedCallOf(pid, tid);
    // One that runs may be about to go on with a call that we have interrupted ourselves.
    if (call === "running") return false;
    if (call === null || moved.has(tid)) return true;
    const { number, words, sp } = call;
    const writes = writers.get(number);
    if (writes === undefined || !(await areConcerned(writes(words, handle), sp))) return true;
    const done = await onTarget(pid, () =>
      addon.tracerMoveCall(tracer, handle, tid, number, sp, again),
    );
    if (done) moved.add(tid);
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

/**
 * Forks that are under way while a process is switched: the child has its memory from before, and nobody can see it
 * yet (Linux, copy_process: memory is copied before the child joins its parent's children).
 */
import { setTimeout as pause } from "node:timers/promises";
import { addon, type TracerHandle } from "../addon/addon.js";
import { blockedCallOf } from "../data/blocked_calls.js";
import { codeOf } from "../process/modules.js";
import { listThreads, readTaskStat } from "../process/proc.js";
import { windowLimitUs, type PrepareMetrics } from "./prepare.js";
import { whileAlive, type TargetProcess } from "./target_process.js";

const lookAgainMs = 5;
const patienceMs = 2_000;
/** How often a scope is asked again for those who were born meanwhile. */
export const mostPasses = 50;

/** Numbers of system calls (x86-64). */
const clone = 56;
const fork = 57;
const clone3 = 435;
/** clone(2): the child uses the same memory, so that it is switched with its parent. */
const cloneVm = 0x100n;

function copiesMemory(process: TargetProcess, tid: number): boolean {
  const call = blockedCallOf(process.pid, tid);
  if (call === null || call === "running") return false;
  const first = call.words[0] ?? 0n;
  switch (call.number) {
    case fork:
      return true;
    case clone:
      return (first & cloneVm) === 0n;
    case clone3: {
      // Begins with the flags (struct clone_args).
      const flags = addon.readMemorySome(process.handle, first, 8);
      return flags.length < 8 || (flags.readBigUInt64LE() & cloneVm) === 0n;
    }
    default:
      return false;
  }
}

/** A thread that sleeps in a fork sleeps uninterruptibly; of one that runs nobody knows where it is. */
function mayFork(process: TargetProcess): boolean {
  return listThreads(process.pid).some((tid) => {
    const state = readTaskStat(process.pid, tid)?.state;
    return state === "R" || (state === "D" && copiesMemory(process, tid));
  });
}

/**
 * Resolves when no fork is under way that has begun before the call: its child is among the children. Where a thread
 * runs, all threads are held for a moment, which they reach outside of system calls only.
 * @throws EngineError as the install window does, when the threads cannot be stopped until `deadline` (Date.now())
 */
export async function outliveForks(
  tracer: TracerHandle,
  process: TargetProcess,
  deadline: number,
): Promise<PrepareMetrics> {
  while (mayFork(process)) {
    try {
      return await addon.tracerInstall(tracer, process.handle, [], windowLimitUs);
    } catch (error) {
      if (codeOf(error) !== "CANNOT_STOP" || Date.now() > deadline) throw error;
      await pause(lookAgainMs);
    }
  }
  return { stallUs: 0, stoppedThreads: 0 };
}

/** What keeps us from stopping a process's threads. */
const hindrances = new Set(["CANNOT_STOP", "ALREADY_TRACED", "PERMISSION"]);

/**
 * The same for taking back, which is not to depend on threads that cannot be stopped.
 * @param withTracer is asked only where somebody may be in a fork
 */
export async function outliveForksIfPossible(
  processes: readonly TargetProcess[],
  withTracer: (work: (tracer: TracerHandle) => Promise<void>) => Promise<void>,
): Promise<void> {
  for (const process of processes) {
    if ((await whileAlive(process, () => mayFork(process))) !== true) continue;
    try {
      await withTracer(async (tracer) => {
        await whileAlive(process, () => outliveForks(tracer, process, Date.now() + patienceMs));
      });
    } catch (error) {
      if (!hindrances.has(codeOf(error) ?? "")) throw error;
    }
  }
}

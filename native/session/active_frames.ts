/** Finds replaced functions that are still on a thread's stack. */
import { addon, type ModuleHandle, type TracerHandle } from "../addon/addon.js";
import type { ActiveFrame, StackFrame, ThreadStack } from "../engine.js";
import { address } from "../address.js";
import { Arena, copyRoom } from "../hooks/arena.js";
import { readFileSync } from "node:fs";
import type { TargetRecord, UpdateRecord } from "../record/record.js";
import { onTarget, type TargetProcess } from "./target_process.js";

const mostStack = 1 << 20;
const mostFrames = 256;

interface OldCode {
  readonly function: string;
  readonly patch: string;
  readonly start: bigint;
  readonly end: bigint;
}

/** Code that an update has replaced: the originals, and what earlier updates had put in their place. */
function oldCode(record: TargetRecord, update: UpdateRecord): OldCode[] {
  const ranges: OldCode[] = [];
  for (const patch of update.patches) {
    const level = patch.level;
    if (level === null) continue;
    for (const { hook: number } of patch.functions) {
      const hook = record.hooks[number];
      if (hook === undefined) continue;
      const add = (start: bigint, size: number): void => {
        ranges.push({
          function: hook.function,
          patch: patch.name,
          start,
          end: start + BigInt(size),
        });
      };
      add(hook.address, hook.size);
      // A thread on its way through the relocated entry is about to be in the original.
      const arena = record.arenas[hook.arena];
      if (arena !== undefined) add(new Arena(arena.base).copy(hook.index), copyRoom);
      for (const older of record.updates.flatMap((u) => u.patches)) {
        if (older.level === null || older.level >= level) continue;
        for (const f of older.functions) if (f.hook === number) add(f.target, f.size);
      }
    }
  }
  return ranges;
}

/** Frames of old code on any thread of the process. What cannot be unwound is looked at word by word. */
export async function activeFramesOf(
  tracer: TracerHandle,
  process: TargetProcess,
  updateName: string,
): Promise<ActiveFrame[]> {
  const record = process.record();
  const update = record.updates.findLast((u) => u.name === updateName);
  if (update === undefined) return [];
  const ranges = oldCode(record, update);
  const inside = (pc: bigint): OldCode | undefined =>
    ranges.find((r) => pc >= r.start && pc < r.end);
  const { threads } = await onTarget(process.pid, () =>
    addon.tracerSnapshot(tracer, process.handle, mostStack),
  );
  const modules = handles(process);
  const found: ActiveFrame[] = [];
  for (const thread of threads) {
    const { frames, incomplete } = addon.unwind(process.pid, modules, thread, mostFrames);
    // All but the youngest frame, and those that a signal interrupted, hold return addresses:
    // the call lies before them.
    const words: bigint[] = frames.map((f, at) => (at === 0 || f.signalFrame ? f.pc : f.pc - 1n));
    if (incomplete !== null) {
      for (let at = 0; at + 8 <= thread.stack.length; at += 8)
        words.push(thread.stack.readBigUInt64LE(at));
    }
    for (const code of new Set(words.flatMap((pc) => inside(pc) ?? []))) {
      found.push({ pid: process.pid, tid: thread.tid, function: code.function, patch: code.patch });
    }
  }
  return found;
}

function handles(process: TargetProcess): ModuleHandle[] {
  return process.modules.map((m) => m.handle);
}

function threadName(pid: number, tid: number): string {
  try {
    return readFileSync(`/proc/${pid}/task/${tid}/comm`, "latin1").trimEnd();
  } catch {
    return "";
  }
}

/** Stacks of all threads, symbols by the modules and by our own record. */
export async function stacksOf(
  tracer: TracerHandle,
  process: TargetProcess,
): Promise<ThreadStack[]> {
  const { threads, missed } = await onTarget(process.pid, () =>
    addon.tracerSnapshot(tracer, process.handle, mostStack),
  );
  const modules = handles(process);
  const stacks = threads.map((thread): ThreadStack => {
    const { frames, incomplete } = addon.unwind(process.pid, modules, thread, mostFrames);
    return {
      tid: thread.tid,
      name: threadName(process.pid, thread.tid),
      frames: frames.map((f) => describe(process, f.pc)),
      incomplete,
    };
  });
  for (const tid of missed)
    stacks.push({
      tid,
      name: threadName(process.pid, tid),
      frames: [],
      incomplete: "it did not stop",
    });
  return stacks;
}

function describe(process: TargetProcess, pc: bigint): StackFrame {
  const module = process.modules.find((m) => pc >= m.info.start && pc < m.info.end);
  const symbol = module === undefined ? null : addon.symbolAt(module.handle, pc);
  return {
    pc: address(pc),
    function: symbol?.name ?? null,
    offset: symbol === null ? null : Number(pc - symbol.address),
    module: module?.path ?? null,
  };
}

/** Finds replaced functions that are still on a thread's stack. */
import { addon, type ThreadSnapshot, type TracerHandle } from "../addon/addon.js";
import { runtimeName } from "../data/runtime_file.js";
import { programSiteOfStub, readSites, type Site } from "../data/site_table.js";
import type { ActiveFrame, StackFrame, ThreadStack } from "../engine.js";
import { address } from "../address.js";
import { Arena, chainRoom, copyRoom } from "../hooks/arena.js";
import { readThreadName } from "../process/proc.js";
import type { PatchRecord, TargetRecord, UpdateRecord } from "../record/record.js";
import { onTarget, type TargetProcess } from "./target_process.js";

const mostStack = 1 << 20;
const mostFrames = 256;
/** Of a thread's stack that a stub and what it calls may take. */
const stackOfStub = 16 << 10;

/** A range of code, and what it is called where it is found active. */
export interface CodeRange {
  readonly function: string;
  readonly patch: string;
  readonly start: bigint;
  readonly end: bigint;
}

/**
 * Code that an update, or one patch of it, has replaced: the originals, and what earlier updates had put
 * in their place.
 */
export function oldCode(
  record: TargetRecord,
  update: UpdateRecord,
  only?: PatchRecord,
): CodeRange[] {
  const ranges: CodeRange[] = [];
  for (const patch of only === undefined ? update.patches : [only]) {
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

/** Stubs and chains of a patch's functions: a thread that stands there may have been sent to either version. */
export function dispatchCode(record: TargetRecord, patch: PatchRecord): CodeRange[] {
  return patch.functions.flatMap(({ hook: number }) => {
    const hook = record.hooks[number];
    const base = hook === undefined ? undefined : record.arenas[hook.arena]?.base;
    if (hook === undefined || base === undefined) return [];
    const arena = new Arena(base);
    const name = { function: hook.function, patch: patch.name };
    const range = (start: bigint, size: number): CodeRange => ({
      ...name,
      start,
      end: start + BigInt(size),
    });
    return [
      range(arena.stub(hook.index), Number(arena.copy(hook.index) - arena.stub(hook.index))),
      ...hook.planes.map((plane) => range(arena.cell(hook.index, plane), chainRoom)),
    ];
  });
}

/** All code of a patch's image, its functions by name. */
export function newCode(record: TargetRecord, patch: PatchRecord): CodeRange[] {
  const named = patch.functions.map(({ hook, target, size }) => ({
    function: record.hooks[hook]?.function ?? patch.name,
    patch: patch.name,
    start: target,
    end: target + BigInt(size),
  }));
  const image = record.images.find(({ digest }) => digest === patch.digest);
  if (image === undefined) return named;
  const whole = { function: `(patch ${patch.name})`, patch: patch.name };
  return [...named, { ...whole, start: image.base, end: image.base + image.size }];
}

/** What threads are inside of, and those that did not stop to be looked at. */
export interface ActiveCode {
  readonly frames: readonly ActiveFrame[];
  readonly missed: readonly number[];
}

/** Frames inside of ranges on any thread of a process. What cannot be unwound is looked at word by word. */
export async function activeCodeOf(
  tracer: TracerHandle,
  process: TargetProcess,
  ranges: readonly CodeRange[],
): Promise<ActiveCode> {
  const inside = (pc: bigint): CodeRange | undefined =>
    ranges.find((r) => pc >= r.start && pc < r.end);
  const { threads, missed } = await onTarget(process.pid, () =>
    addon.tracerSnapshot(tracer, process.handle, mostStack),
  );
  const modules = process.unwindModules;
  const { runtime } = process.record();
  const sites = runtime === null ? [] : readSites(process.handle, runtime);
  const found: ActiveFrame[] = [];
  for (const thread of threads) {
    const { frames, incomplete } = addon.unwind(process.pid, modules, thread, mostFrames);
    // All but the youngest frame, and those that a signal interrupted, hold return addresses:
    // the call lies before them.
    const words: bigint[] = frames.map((f, at) => (at === 0 || f.signalFrame ? f.pc : f.pc - 1n));
    const stubs = sitesOf(thread, words, sites);
    // Such a thread is where the store was, and no call frame information leads there.
    words.push(...stubs.map((site) => site.address));
    if (incomplete !== null || stubs.length > 0) {
      for (let at = 0; at + 8 <= thread.stack.length; at += 8)
        words.push(thread.stack.readBigUInt64LE(at));
    }
    for (const code of new Set(words.flatMap((pc) => inside(pc) ?? []))) {
      found.push({ pid: process.pid, tid: thread.tid, function: code.function, patch: code.patch });
    }
  }
  return { frames: found, missed };
}

/** Rewritten stores that a thread is in the middle of. */
function sitesOf(
  thread: ThreadSnapshot,
  frames: readonly bigint[],
  sites: readonly Site[],
): Site[] {
  const used = sites.filter((s) => s.stub !== 0n);
  if (used.length === 0) return [];
  const words = [...frames];
  for (let at = 0; at + 8 <= thread.stack.length && at < stackOfStub; at += 8)
    words.push(thread.stack.readBigUInt64LE(at));
  return words.flatMap((word) => programSiteOfStub(used, word) ?? []);
}

/** Frames of an update's old code on any thread of the process. */
export async function activeFramesOf(
  tracer: TracerHandle,
  process: TargetProcess,
  updateName: string,
): Promise<readonly ActiveFrame[]> {
  const record = process.record();
  const update = record.updates.findLast((u) => u.name === updateName);
  if (update === undefined) return [];
  return (await activeCodeOf(tracer, process, oldCode(record, update))).frames;
}

/** Stacks of all threads, symbols by the modules and by our own record. */
export async function stacksOf(
  tracer: TracerHandle,
  process: TargetProcess,
): Promise<ThreadStack[]> {
  const { threads, missed } = await onTarget(process.pid, () =>
    addon.tracerSnapshot(tracer, process.handle, mostStack),
  );
  const modules = process.unwindModules;
  const record = process.record();
  const stacks = threads.map((thread): ThreadStack => {
    const { frames, incomplete } = addon.unwind(process.pid, modules, thread, mostFrames);
    return {
      tid: thread.tid,
      name: readThreadName(process.pid, thread.tid),
      frames: frames.map((f) => describe(process, record, f.pc)),
      incomplete,
    };
  });
  for (const tid of missed)
    stacks.push({
      tid,
      name: readThreadName(process.pid, tid),
      frames: [],
      incomplete: "it did not stop",
    });
  return stacks;
}

/** What polus has loaded: the functions of patches that replace others, and the rest by whose it is. */
function describeImage(record: TargetRecord, pc: bigint): StackFrame | null {
  const image = record.images.find(({ base, size }) => pc >= base && pc < base + size);
  if (image === undefined) return null;
  const patch = record.updates
    .flatMap((u) => u.patches)
    .findLast(({ digest }) => digest === image.digest);
  const code = patch && newCode(record, patch).find(({ start, end }) => pc >= start && pc < end);
  const isRuntime = image.digest === record.runtime?.digest;
  return {
    pc: address(pc),
    function: code?.function ?? (isRuntime ? runtimeName : null),
    offset: Number(pc - (code?.start ?? image.base)),
    module: null,
  };
}

function describe(process: TargetProcess, record: TargetRecord, pc: bigint): StackFrame {
  const module = process.modules.find((m) => pc >= m.info.start && pc < m.info.end);
  if (module === undefined) {
    const loaded = describeImage(record, pc);
    if (loaded !== null) return loaded;
  }
  const symbol = module === undefined ? null : addon.symbolAt(module.handle, pc);
  return {
    pc: address(pc),
    function: symbol?.name ?? null,
    offset: symbol === null ? null : Number(pc - symbol.address),
    module: module?.path ?? null,
  };
}

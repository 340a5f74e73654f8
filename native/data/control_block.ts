/** The runtime's control block in a process, read straight from memory; polus_runtime.h says what it holds. */
import { addon, type TargetHandle } from "../addon/addon.js";
import { EngineError } from "../engine.js";
import type { RuntimeRecord } from "../record/record.js";

/** `enum polus_set_state`. */
export const setState = {
  free: 0,
  gathering: 1,
  converting: 2,
  coherent: 3,
  lifting: 4,
  old: 5,
  new: 6,
} as const;

/** `enum polus_side`. */
export const side = { old: 0, new: 1 } as const;
export type Side = (typeof side)[keyof typeof side];

/** `struct polus_set_status`. */
export interface SetStatus {
  readonly state: number;
  /** Which copies were the truth when the set was made coherent last. */
  readonly from: number;
  readonly objects: number;
  readonly done: number;
  /** Touches of retired copies, and where the last one was. */
  readonly stray: number;
  readonly strayAt: bigint;
  /** The first failure to make an object known, below zero; 0: none. */
  readonly fault: number;
}

/** `struct polus_control`. */
export interface ControlBlock {
  readonly started: boolean;
  readonly guardedPages: number;
  readonly traps: number;
  readonly transfers: number;
  /** Stores that had to be single-stepped, and the instruction of the last one. */
  readonly slow: number;
  readonly slowAt: bigint;
  readonly rewritten: number;
  readonly forked: number;
  /** First inconsistency that the runtime met in itself, 0: none. */
  readonly damage: number;
  readonly sets: readonly SetStatus[];
}

const magic = 0x31545253554c4f50n;
const layout = 1n;
const headSize = 88;
const setSize = 48;
const mostSets = 64;

/** What the runtime exports under a name; `null`: it is an older one, and has no such thing. */
export function exportedSymbol(runtime: RuntimeRecord, name: string): bigint | null {
  return runtime.symbols.find((symbol) => symbol.name === name)?.address ?? null;
}

/** Address of what the runtime in a process exports under a name. */
export function runtimeSymbol(runtime: RuntimeRecord, pid: number, name: string): bigint {
  const symbol = exportedSymbol(runtime, name);
  if (symbol !== null) return symbol;
  throw new EngineError(
    "RUNTIME_DIFFERS",
    "refused",
    `the runtime in process ${pid} has no ${name}: it is of another version of polus`,
    { pid, help: "use the version of polus that changed the program's data" },
  );
}

/** Where the runtime says who has its lock: whoever that is must not be borrowed. 0n: it does not say. */
export function lockOf(runtime: RuntimeRecord | null): bigint {
  return (runtime === null ? null : exportedSymbol(runtime, "polus_lock")) ?? 0n;
}

/** Where the runtime says whether it is to be stopped at system calls. 0n: it does not say. */
export function stopsOf(runtime: RuntimeRecord): bigint {
  return exportedSymbol(runtime, "polus_stops") ?? 0n;
}

/** @throws EngineError inconsistent RUNTIME_DAMAGED; refused RUNTIME_DIFFERS */
export function readControlBlock(
  target: TargetHandle,
  pid: number,
  runtime: RuntimeRecord,
): ControlBlock {
  const at = runtimeSymbol(runtime, pid, "polus_control");
  const bytes = addon.readMemory(target, at, headSize + mostSets * setSize);
  const word = (offset: number): bigint => bytes.readBigUInt64LE(offset);
  const number = (offset: number): number => Number(word(offset));
  if (word(0) !== magic || word(8) !== layout)
    throw new EngineError(
      "RUNTIME_DAMAGED",
      "inconsistent",
      `the runtime in process ${pid} cannot be trusted: its control block is not there`,
      { pid, help: "the program, or another tool, has written over it" },
    );
  return {
    started: number(16) !== 0,
    guardedPages: number(24),
    traps: number(32),
    transfers: number(40),
    slow: number(48),
    slowAt: word(56),
    rewritten: number(64),
    forked: number(72),
    damage: Number(bytes.readBigInt64LE(80)),
    sets: Array.from({ length: mostSets }, (_, set): SetStatus => {
      const start = headSize + set * setSize;
      return {
        state: bytes.readUInt32LE(start),
        from: bytes.readUInt32LE(start + 4),
        objects: number(start + 8),
        done: number(start + 16),
        stray: number(start + 24),
        strayAt: word(start + 32),
        fault: Number(bytes.readBigInt64LE(start + 40)),
      };
    }),
  };
}

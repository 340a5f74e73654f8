/** Calls of a function of the target: arguments by the System V ABI, the thread, the outcome in words. */
import { constants } from "node:os";
import { setTimeout as pause } from "node:timers/promises";
import {
  addon,
  type CallCandidate,
  type RemoteCallOutcome,
  type RemoteFunctionCall,
  type TracerHandle,
} from "../addon/addon.js";
import { formatAddress, type Address } from "../address.js";
import { lockOf } from "../data/control_block.js";
import { EngineError } from "../engine.js";
import type { CallRequest, CallResult } from "../inspection.js";
import type { RuntimeRecord } from "../record/record.js";
import { onMember, type TargetProcess } from "../session/target_process.js";
import { borrowable, isStopped, type Borrowable } from "./lock_holders.js";
import { symbolAt } from "./symbol_places.js";

const registersForIntegers = 6;
const registersForVectors = 8;
/** How often threads that moved on are looked at again before one is taken as it is. */
const looks = 5;
/** How often, and how far apart, a thread at rest is looked for. */
const looksAtRest = 200;
const lookAtRestMs = 5;

/** Which argument goes into which register, or on the stack. */
function placeArguments(request: CallRequest, runtime: RuntimeRecord | null): RemoteFunctionCall {
  const integers: bigint[] = [];
  const vectors: Uint8Array[] = [];
  const stack: bigint[] = [];
  const inRegisters: { at: number; bytes: Uint8Array }[] = [];
  const inMemory: { at: number; bytes: Uint8Array }[] = [];
  for (const argument of request.arguments) {
    if (argument.kind === "float") {
      const bytes = Buffer.alloc(8);
      if (argument.size === 4) bytes.writeFloatLE(argument.value);
      else bytes.writeDoubleLE(argument.value);
      if (vectors.length < registersForVectors) vectors.push(bytes);
      else stack.push(bytes.readBigUInt64LE());
      continue;
    }
    const value = argument.kind === "integer" ? BigInt.asUintN(64, argument.value) : 0n;
    const inRegister = integers.length < registersForIntegers;
    const list = inRegister ? integers : stack;
    if (argument.kind === "bytes")
      (inRegister ? inRegisters : inMemory).push({ at: list.length, bytes: argument.bytes });
    list.push(value);
  }
  return {
    function: request.function,
    integers,
    vectors,
    stack,
    data: [
      ...inRegisters.map(({ at, bytes }) => ({ argument: at, bytes })),
      ...inMemory.map(({ at, bytes }) => ({ argument: integers.length + at, bytes })),
    ],
    timeLimitMs: request.timeLimitMs,
    needs: [],
    faults: runtime === null ? "none" : "access",
    lock: lockOf(runtime),
    stops: 0n,
    repeatMs: 0,
  };
}

function placeName(target: TargetProcess, at: bigint): string {
  const symbol = at < 1n << 47n ? symbolAt(target, at as Address) : null;
  return symbol === null
    ? formatAddress(at)
    : `${symbol.name}+0x${symbol.offset.toString(16)} (${formatAddress(at)})`;
}

function signalName(signal: number): string {
  return Object.entries(constants.signals).find(([, n]) => n === signal)?.[0] ?? `signal ${signal}`;
}

const faults = new Set(["SIGSEGV", "SIGBUS"]);
const locksStay =
  "what the function had locked stays locked, and what it had changed stays changed";

/** What became of a call that did not return. */
function failureOf(
  target: TargetProcess,
  name: string,
  outcome: RemoteCallOutcome,
  limitMs: number,
): EngineError {
  const failure = (code: string, message: string): EngineError =>
    new EngineError(code, "failed", message, { pid: target.pid, help: locksStay });
  const { tid } = outcome;
  switch (outcome.outcome) {
    case "crashed": {
      const signal = signalName(outcome.signal);
      const fault = faults.has(signal) ? ` accessing ${formatAddress(outcome.address)}` : "";
      return failure(
        "CALL_CRASHED",
        `${name} raised ${signal} at ${placeName(target, outcome.pc)}${fault}; thread ${tid} was put back where it was`,
      );
    }
    case "kept":
      return failure(
        "CALL_CRASHED",
        `${name} was about to end thread ${tid}, the program, or to execute another; it was kept from that and the thread put back (handlers of exit may have run)`,
      );
    case "left":
      return failure(
        "CALL_CRASHED",
        `${name} was left by longjmp; thread ${tid} goes on at ${placeName(target, outcome.pc)}`,
      );
    case "running":
      return failure(
        "CALL_TIMED_OUT",
        `${name} did not return within ${limitMs} ms and cannot be interrupted; thread ${tid} goes on where it was when it returns`,
      );
    default:
      return failure(
        "CALL_TIMED_OUT",
        `${name} did not return within ${limitMs} ms; thread ${tid} was put back where it was`,
      );
  }
}

/** Calls on a thread that holds no lock that is known, if there is one. */
async function onSomeThread(
  tracer: TracerHandle,
  target: TargetProcess,
  call: RemoteFunctionCall,
  /** Those that may be taken; without it all, in the end. */
  only?: (thread: Borrowable) => boolean,
): Promise<{ readonly outcome: RemoteCallOutcome; readonly locks: readonly string[] }> {
  const run = (candidates: readonly CallCandidate[]): Promise<RemoteCallOutcome> =>
    onMember(target, () => addon.tracerCall(tracer, target.handle, call, candidates));
  for (let look = 1; ; look++) {
    const threads = await borrowable(tracer, target);
    const free = threads.filter(only ?? ((t) => t.locks.length === 0)).map((t) => t.candidate);
    try {
      if (free.length > 0) return { outcome: await run(free), locks: [] };
    } catch (error) {
      // Refused before anything has run: they have moved on since they were looked at.
      if (!(error instanceof EngineError && error.code === "NO_BORROWABLE_THREAD")) throw error;
    }
    if (only !== undefined)
      throw new EngineError(
        "NO_BORROWABLE_THREAD",
        "refused",
        `no thread of process ${target.pid} is at rest`,
        { pid: target.pid },
      );
    if (look < looks) continue;
    const outcome = await run(
      threads.map((t) => ({ tid: t.candidate.tid, pc: 0n, sp: 0n, call: 0 })),
    );
    const taken = threads.find((t) => t.candidate.tid === outcome.tid);
    const locks = taken?.locks ?? [];
    return { outcome, locks: locks.length > 0 ? locks : ["a thread that was running"] };
  }
}

/**
 * As `callFunction`, for a function that takes locks of the program's own: waits a while for a thread that
 * sleeps outside of them as far as can be told.
 */
export async function callAtRest(
  tracer: TracerHandle,
  target: TargetProcess,
  request: CallRequest,
): Promise<CallResult> {
  for (let look = 1; look <= looksAtRest; look++) {
    try {
      return await callFunction(tracer, target, request, (t) => t.atRest);
    } catch (error) {
      if (!(error instanceof EngineError && error.code === "NO_BORROWABLE_THREAD")) throw error;
    }
    await pause(lookAtRestMs);
  }
  return callFunction(tracer, target, request);
}

/** As `Inspection.call` says. */
export async function callFunction(
  tracer: TracerHandle,
  target: TargetProcess,
  request: CallRequest,
  only?: (thread: Borrowable) => boolean,
): Promise<CallResult> {
  const name = symbolAt(target, request.function)?.name ?? formatAddress(request.function);
  if (isStopped(target.pid))
    throw new EngineError(
      "NO_BORROWABLE_THREAD",
      "refused",
      `process ${target.pid} is stopped by job control, so ${name} cannot run`,
      { pid: target.pid, help: "continue it first (SIGCONT)" },
    );
  const call = placeArguments(request, target.record().runtime);
  const { outcome, locks } = await onSomeThread(tracer, target, call, only);
  if (outcome.outcome !== "returned") throw failureOf(target, name, outcome, request.timeLimitMs);
  const { integers, vector, tid, heldUs } = outcome;
  return { integers, vector, tid, heldUs, locksMayBeHeld: locks };
}

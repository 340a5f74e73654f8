/** Calls of the runtime in a process, each on a borrowed thread; polus_runtime.h says what they do. */
import { readFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import {
  addon,
  type RemoteCallOutcome,
  type RemoteFunctionCall,
  type TracerHandle,
} from "../addon/addon.js";
import { address } from "../address.js";
import { EngineError } from "../engine.js";
import type { ThreadInfo } from "../inspection.js";
import { callAtRest } from "../inspect/call.js";
import { threadsOf } from "../inspect/threads.js";
import type { RuntimeRecord } from "../record/record.js";
import { onMember, type TargetProcess } from "../session/target_process.js";
import { moveBlockedCalls } from "./blocked_calls.js";
import {
  exportedSymbol,
  lockOf,
  readControlBlock,
  runtimeSymbol,
  stopsOf,
  type ControlBlock,
  type Side,
} from "./control_block.js";
import type { PlannedItem } from "./items.js";
import { fieldEntries } from "./plain_fields.js";

/**
 * No call of the runtime takes longer than a slice, but one that is put back in its middle would leave
 * the runtime's lock behind: rather wait.
 */
const patienceMs = 60_000;
/** For a function of the program's or the patch's that visits objects. */
const visitPatienceMs = 20_000;
/** Said before anything has run. */
const busy: ReadonlySet<string> = new Set(["NO_BORROWABLE_THREAD", "CANNOT_STOP"]);
const mostLooks = 100;
const lookAgainMs = 10;
const lookForCalmMs = 20;
/** For how long a borrowed thread works at a time, and how long slices follow one another before we are asked. */
const sliceUs = 2_000n;
const slicesMs = 50;

/** What the runtime and its handlers ask of the kernel, on any thread and without us. */
const systemCalls = [
  9, // mmap
  10, // mprotect
  11, // munmap
  13, // rt_sigaction
  14, // rt_sigprocmask
  25, // mremap
  202, // futex
];

/** Besides, what puts signals off while a thread has the lock in a stub. */
const gateCalls = [
  ...systemCalls,
  39, // getpid
  186, // gettid
  297, // rt_tgsigqueueinfo
];

/** `enum polus_fault`. */
const faults: Readonly<Record<number, readonly [code: string, why: string]>> = {
  [-1]: ["DATA_NO_MEMORY", "there is no memory for another copy, or there are too many objects"],
  [-2]: ["DATA_STATE", "the runtime has no such set, or it is at something else"],
  [-3]: ["DATA_SIZE", "its size makes no sense, or there are too many items"],
  [-4]: ["DATA_OVERLAPS", "an object overlaps one that changes already"],
  [-5]: [
    "DATA_NOT_WRITABLE",
    "an object does not lie in private memory that the program can write",
  ],
  [-6]: ["DATA_STATE", "the runtime is not started"],
  [-7]: ["SITE_NOT_REWRITABLE", "an instruction cannot be performed outside a handler"],
};
const kernelFault = -1000;

/** What the runtime has said, in words. */
export function runtimeFault(pid: number, what: string, result: number): EngineError {
  const [code, why] = faults[result] ?? [
    "DATA_KERNEL",
    `the kernel refused it (error ${kernelFault - result})`,
  ];
  return new EngineError(
    code,
    "refused",
    `process ${pid} cannot have two versions of ${what}: ${why}`,
    { pid, subject: what },
  );
}

/** AT_HWCAP2 (getauxval(3)) of this machine. */
function hardwareCapabilities(): bigint {
  const bytes = readFileSync("/proc/self/auxv");
  for (let at = 0; at + 16 <= bytes.length; at += 16) {
    if (bytes.readBigUInt64LE(at) === 26n) return bytes.readBigUInt64LE(at + 8);
  }
  return 0n;
}

export class RuntimeCalls {
  private calm: ReadonlySet<number> = new Set();

  constructor(
    private readonly tracer: TracerHandle,
    private readonly process: TargetProcess,
    private readonly runtime: RuntimeRecord,
  ) {}

  /** @throws EngineError inconsistent RUNTIME_DAMAGED */
  control(): ControlBlock {
    return readControlBlock(this.process.handle, this.process.pid, this.runtime);
  }

  start(): Promise<number> {
    return this.call("polus_runtime_start", "its data", [hardwareCapabilities()]);
  }

  /** Lets the program's handlers block nothing that ours are to take. */
  unblock(): Promise<number> {
    return this.call("polus_runtime_unblock", "its data", []);
  }

  /** Number of a new set. */
  set(): Promise<number> {
    return this.call("polus_runtime_set", "its data", []);
  }

  /** Makes an item known, and which of its fields are merely copied; resolves to its number. */
  async item(set: number, planned: PlannedItem): Promise<number> {
    const number = await this.call("polus_runtime_item", planned.name, [
      BigInt(set),
      BigInt(planned.oldSize),
      BigInt(planned.newSize),
      planned.forward,
      planned.backward,
    ]);
    await this.fields(number, planned);
    return number;
  }

  private async fields(item: number, { name, plain }: PlannedItem): Promise<void> {
    const { forward, backward } = plain;
    // The runtime of an older polus runs the functions for every store.
    if (exportedSymbol(this.runtime, "polus_runtime_fields") === null) return;
    if (forward.length + backward.length === 0) return;
    const counts = [forward, backward].map(({ length }) => BigInt(length));
    const room = await this.call("polus_runtime_fields", name, [BigInt(item), ...counts]);
    addon.writeMemory(this.process.handle, BigInt(room), fieldEntries([...forward, ...backward]));
    addon.faultPoint();
  }

  /** Makes an item's objects known; those that are known already are left as they are. */
  async objects(number: number, { name, objects }: PlannedItem): Promise<void> {
    if (objects.kind === "pair") {
      await this.call("polus_runtime_pair", name, [BigInt(number), objects.old, objects.new]);
      return;
    }
    await callAtRest(this.tracer, this.process, {
      function: address(objects.each),
      arguments: [
        { kind: "integer", value: this.symbol("polus_runtime_visit") },
        { kind: "integer", value: BigInt(number) },
      ],
      variadic: false,
      timeLimitMs: visitPatienceMs,
    });
  }

  /** Makes the other copies from those of one side, and both coherent. */
  async convert(set: number, from: Side, what: string): Promise<void> {
    await this.call("polus_runtime_begin", what, [BigInt(set), BigInt(from)]);
    if (exportedSymbol(this.runtime, "polus_runtime_ready") !== null) {
      await this.inSlices("polus_runtime_ready", set, what);
      const again = exportedSymbol(this.runtime, "polus_blocked");
      if (again !== null)
        await moveBlockedCalls(this.tracer, this.process, again, (at, size) =>
          this.concerns(at, size),
        );
    }
    await this.finish(set, what);
  }

  /** Whether the kernel must not be given these bytes to write to. */
  private async concerns(at: bigint, size: number): Promise<boolean> {
    return (await this.call("polus_runtime_concerns", "its data", [at, BigInt(size)])) !== 0;
  }

  end(set: number, keep: Side, what: string): Promise<number> {
    return this.call("polus_runtime_end", what, [BigInt(set), BigInt(keep)]);
  }

  drop(set: number): Promise<number> {
    return this.call("polus_runtime_drop", "its data", [BigInt(set)]);
  }

  /** Whether a store to these bytes would be caught. */
  async guards(at: bigint, size: number): Promise<boolean> {
    return (await this.call("polus_runtime_guards", "its data", [at, BigInt(size)])) !== 0;
  }

  /** Stores bytes as a caught store would. */
  async store(at: bigint, bytes: Uint8Array): Promise<void> {
    // The function returns nothing that could be looked at.
    await this.run("polus_runtime_store", [at, 0n, BigInt(bytes.length)], [{ argument: 1, bytes }]);
  }

  /** Until what `begin` or `end` started is done. */
  finish(set: number, what: string): Promise<void> {
    return this.inSlices("polus_runtime_step", set, what);
  }

  /** Calls what returns 1 until it is done; no thread works for longer than a slice at a time. */
  private async inSlices(name: string, set: number, what: string): Promise<void> {
    const words = [BigInt(set), sliceUs];
    const step = (repeatMs: number): Promise<number> =>
      this.call(name, what, words, [], systemCalls, repeatMs);
    if ((await step(0)) === 0) return;
    // Most sets are done in one slice.
    await this.lookForCalm();
    do addon.faultPoint();
    while ((await step(slicesMs)) !== 0);
  }

  /** Puts the gate before the program's signal handlers, or takes it away. */
  gate(on: boolean): Promise<number> {
    return this.call("polus_runtime_gate", "its data", [on ? 1n : 0n], [], gateCalls);
  }

  /** Makes a site known that nothing leads to yet; resolves to its number. */
  site(at: bigint, code: Uint8Array, stub: bigint): Promise<number> {
    return this.call(
      "polus_runtime_site",
      "its data",
      [at, 0n, BigInt(code.length), stub],
      [{ argument: 1, bytes: code }],
    );
  }

  forgetSite(number: number): Promise<number> {
    return this.call("polus_runtime_forget_site", "its data", [BigInt(number)]);
  }

  /** What the runtime exports under a name. @throws EngineError refused RUNTIME_DIFFERS */
  symbol(name: string): bigint {
    return runtimeSymbol(this.runtime, this.process.pid, name);
  }

  /** The result, at least 0. @throws EngineError of what the runtime refuses */
  private async call(
    name: string,
    what: string,
    integers: readonly bigint[],
    data: RemoteFunctionCall["data"] = [],
    needs: readonly number[] = systemCalls,
    repeatMs = 0,
  ): Promise<number> {
    const result = await this.run(name, integers, data, needs, repeatMs);
    if (result < 0) throw runtimeFault(this.process.pid, what, result);
    return result;
  }

  /** Any thread will do, wherever it stands: the runtime takes no lock of the program's. */
  private async run(
    name: string,
    integers: readonly bigint[],
    data: RemoteFunctionCall["data"],
    needs: readonly number[] = systemCalls,
    repeatMs = 0,
  ): Promise<number> {
    const { pid } = this.process;
    const outcome = await this.onAnyThread({
      function: this.symbol(name),
      integers,
      vectors: [],
      stack: [],
      data,
      timeLimitMs: patienceMs,
      faults: "all",
      needs,
      lock: lockOf(this.runtime),
      stops: stopsOf(this.runtime),
      repeatMs,
    });
    addon.faultPoint();
    if (outcome.outcome !== "returned")
      throw new EngineError(
        "RUNTIME_FAILED",
        "inconsistent",
        `${name} in process ${pid} ${outcome.outcome === "crashed" ? "crashed" : "did not return"}`,
        { pid, help: "the program goes on; its data must not be updated any more" },
      );
    return Number(BigInt.asIntN(64, outcome.integers[0]));
  }

  /** Which threads do nothing at all for a while: they are borrowed before others that merely sleep just now. */
  private async lookForCalm(): Promise<void> {
    const { pid } = this.process;
    const before = new Map(threadsOf(pid).map(({ tid, cpuTime }) => [tid, cpuTime]));
    await pause(lookForCalmMs);
    const calm = threadsOf(pid).filter(({ tid, cpuTime }) => before.get(tid) === cpuTime);
    this.calm = new Set(calm.map(({ tid }) => tid));
  }

  /** All threads may be in the kernel for a moment, or too busy to stop in time. */
  private async onAnyThread(call: RemoteFunctionCall): Promise<RemoteCallOutcome> {
    const { handle, pid } = this.process;
    for (let look = 1; ; look++) {
      // `t`: it stands at its program's entry point.
      const threads = threadsOf(pid).filter(({ state }) => /^[SRt]$/.test(state));
      // Sleepers have nothing to lose.
      const rank = ({ tid, state }: ThreadInfo): number =>
        state === "R" ? 2 : this.calm.has(tid) ? 0 : 1;
      threads.sort((a, b) => rank(a) - rank(b));
      const candidates = threads.map(({ tid }) => ({ tid, pc: 0n, sp: 0n, call: 0 }));
      try {
        return await onMember(this.process, () =>
          addon.tracerCall(this.tracer, handle, call, candidates),
        );
      } catch (error) {
        const isBusy = error instanceof EngineError && busy.has(error.code);
        if (!isBusy || look === mostLooks) throw error;
      }
      await pause(lookAgainMs);
    }
  }
}

// timeout 300s
/** Functions of a process called from outside, on a borrowed thread. */
import * as assert from "uvu/assert";
import { readFileSync } from "node:fs";
import {
  addon,
  type RemoteCallOutcome,
  type RemoteFunctionCall,
  type TracerHandle,
} from "../../../native/addon/addon.js";
import type { Address } from "../../../native/address.js";
import type {
  CallArgument,
  CallResult,
  Inspection,
  ThreadInfo,
} from "../../../native/inspection.js";
import { expectUntraced, refused, withSession } from "../../support/engine_session.js";
import { test } from "../../support/engine_test.js";
import { blockedProgram, registersProgram } from "../../support/programs.js";
import { threadStates } from "../../support/proc.js";
import {
  buildTarget,
  sleep,
  withTarget,
  type TargetProcess,
} from "../../support/target_process.js";

const program = buildTarget({ name: "calls" });

async function inspect<T>(
  target: TargetProcess,
  body: (look: Inspection) => Promise<T>,
): Promise<T> {
  return withSession(target.pid, async (session) => body(await session.inspect(target.pid)));
}

function functionAt(look: Inspection, name: string): Address {
  const entity = look.entity({ name });
  if (entity.kind !== "function") throw new Error(`${name} is no function`);
  return entity.address;
}

function integer(value: bigint | number): CallArgument {
  return { kind: "integer", value: BigInt(value) };
}

function float(value: number, size: 4 | 8 = 8): CallArgument {
  return { kind: "float", value, size };
}

function text(value: string): CallArgument {
  return { kind: "bytes", bytes: Buffer.from(`${value}\0`) };
}

async function call(
  look: Inspection,
  name: string,
  args: readonly CallArgument[] = [],
  timeLimitMs = 5000,
): Promise<CallResult> {
  return look.call({
    function: functionAt(look, name),
    arguments: args,
    variadic: false,
    timeLimitMs,
  });
}

function long({ integers }: CallResult): bigint {
  return BigInt.asIntN(64, integers[0]);
}

function double({ vector }: CallResult): number {
  return Buffer.from(vector).readDoubleLE();
}

test("arguments and results of every class", async () => {
  await withTarget(program, {}, async (target) => {
    await inspect(target, async (look) => {
      assert.is(long(await call(look, "add", [integer(40), integer(-82)])), -42n);
      const narrow = await call(look, "narrow", [integer(-1), integer(65535), integer(-2)]);
      assert.is(BigInt.asIntN(32, narrow.integers[0]), 65532n);
      assert.is(double(await call(look, "scale", [float(1.5), float(2.5, 4)])), 3.75);
      const half = await call(look, "halve", [float(3, 4)]);
      assert.is(Buffer.from(half.vector).readFloatLE(), 1.5);
      assert.is(long(await call(look, "length", [text("four")])), 4n);
      const nine = Array.from({ length: 9 }, (_, at) => integer(at + 1));
      assert.is(long(await call(look, "many", nine)), 285n);
      const ones = Array.from({ length: 7 }, () => float(1));
      const mixed = [float(1), integer(1), ...ones, float(3), text("A")];
      assert.is(double(await call(look, "mixed", mixed)), 2 + 6 + 100 + 3000 + 65);
      const varied = [text("dldddddddldl"), float(1), integer(2), ...ones, integer(4)];
      varied.push(float(8), integer(16));
      assert.is(double(await call(look, "total", varied)), 38);
      const pair = await call(look, "twice", [integer(21)]);
      assert.equal(pair.integers, [21n, 42n]);
      assert.is(long(await call(look, "aligned")), 1n);
      assert.is(long(await call(look, "take_memory", [integer(100000)])), 1n);
    });
    expectUntraced(target);
  });
});

test("what a function does wrong is kept from the program", async () => {
  await withTarget(program, {}, async (target) => {
    await inspect(target, async (look) => {
      const failure = (name: string, code: string, limit = 5000): ReturnType<typeof refused> =>
        refused(call(look, name, [], limit), code, "failed");
      const crash = await failure("crash", "CALL_CRASHED");
      assert.match(crash.message, /SIGSEGV at crash\+0x.*accessing 0x1230/);
      assert.match((await failure("give_up", "CALL_CRASHED")).message, /SIGABRT/);
      assert.match((await failure("overflow", "CALL_CRASHED")).message, /SIGSEGV/);
      assert.match((await failure("leave", "CALL_CRASHED")).message, /about to end/);
      assert.match((await failure("loop", "CALL_TIMED_OUT", 200)).message, /loop .*200 ms/);
      const nap = call(look, "nap", [integer(20_000)], 200);
      assert.match((await refused(nap, "CALL_TIMED_OUT", "failed")).message, /put back/);
      assert.is(long(await call(look, "add", [integer(1), integer(2)])), 3n);
    });
    expectUntraced(target);
    assert.ok(threadStates(target.pid).every((s) => s === "S" || s === "R"));
  });
});

/** A call with nothing but integers, once, in a process without a runtime. */
function plainly(
  look: Inspection,
  name: string,
  integers: readonly bigint[] = [],
): RemoteFunctionCall {
  return {
    function: functionAt(look, name),
    integers,
    vectors: [],
    stack: [],
    data: [],
    timeLimitMs: 5000,
    needs: [],
    faults: "none",
    lock: 0n,
    stops: 0n,
    repeatMs: 0,
  };
}

/** Calls one function on each of the given threads, wherever they stand. */
async function onThreads(
  target: TargetProcess,
  rounds: number,
  request: (look: Inspection) => RemoteFunctionCall,
  check: (integers: readonly [bigint, bigint]) => void,
): Promise<number> {
  let calls = 0;
  const handle = addon.openTarget(target.pid);
  const spec = await inspect(target, (look) => Promise.resolve(request(look)));
  const tids = await inspect(target, (look) =>
    Promise.resolve(look.threads().map((thread) => thread.tid)),
  );
  const tracer: TracerHandle = addon.createTracer(() => undefined);
  try {
    for (let round = 0; round < rounds; round++) {
      for (const tid of tids) {
        try {
          const outcome = await addon.tracerCall(tracer, handle, spec, [
            { tid, pc: 0n, sp: 0n, call: 0 },
          ]);
          assert.is(outcome.outcome, "returned");
          check(outcome.integers);
          calls++;
        } catch (error) {
          // On a stack that is not its own, or inside a restartable sequence.
          if (!(error instanceof Error && "code" in error) || error.code !== "NO_BORROWABLE_THREAD")
            throw error;
        }
      }
    }
  } finally {
    addon.tracerClose(tracer);
  }
  return calls;
}

function eight(value: number): Buffer {
  const bytes = Buffer.alloc(16, 0xee);
  bytes.writeDoubleLE(value);
  return bytes;
}

test("no register or vector register of a borrowed thread changes, wherever it is", async () => {
  await withTarget(registersProgram(), {}, async (target) => {
    const calls = await onThreads(
      target,
      20,
      (look) => ({
        ...plainly(look, "target_now_ns", [1n, 2n, 3n, 4n, 5n, 6n]),
        vectors: Array.from({ length: 8 }, (_, at) => eight(at)),
        stack: [7n, 8n, 9n],
      }),
      ([now]) => assert.ok(now > 0n),
    );
    assert.ok(calls > 20, `only ${calls} calls`);
  });
});

test("threads that block in system calls of every kind notice nothing", async () => {
  await withTarget(blockedProgram(), {}, async (target) => {
    const calls = await onThreads(
      target,
      4,
      (look) => plainly(look, "target_now_ns"),
      ([now]) => assert.ok(now > 0n),
    );
    assert.ok(calls > 20, `only ${calls} calls`);
  });
});

test("a function that sleeps does not disturb what the thread slept in", async () => {
  await withTarget(blockedProgram(), {}, async (target) => {
    await onThreads(
      target,
      1,
      (look) => plainly(look, "target_sleep_us", [2000n]),
      () => undefined,
    );
  });
});

test("a thread that is borrowed again and again sleeps no longer than it means to", async () => {
  await withTarget(program, { args: ["--sleeper"] }, async (target) => {
    await inspect(target, async (look) => {
      // It gives itself the name once it runs.
      let sleeper: ThreadInfo | undefined;
      for (let looks = 0; sleeper === undefined && looks < 500; looks++) {
        sleeper = look.threads().find(({ name }) => name === "sleeper");
        if (sleeper === undefined) await sleep(10);
      }
      assert.ok(sleeper);
      const naps = async (): Promise<bigint> => long(await call(look, "naps_so_far"));
      const before = await naps();
      const tracer = addon.createTracer(() => undefined);
      try {
        const outcome = await addon.tracerCall(
          tracer,
          addon.openTarget(target.pid),
          { ...plainly(look, "wake_nobody"), repeatMs: 2000 },
          [{ tid: sleeper.tid, pc: 0n, sp: 0n, call: 0 }],
        );
        assert.is(outcome.outcome, "returned");
      } finally {
        addon.tracerClose(tracer);
      }
      const slept = (await naps()) - before;
      // A hundred, were it left alone; none, if each call made it sleep from the beginning.
      assert.ok(slept >= 10n, `${slept} naps of 20 ms in two seconds`);
    });
  });
});

test("where a function asks for it, it is not stopped at its system calls", async () => {
  await withTarget(program, { args: ["--allocators=0"] }, async (target) => {
    const spec = await inspect(target, (look) => {
      const words = look.entity({ name: "stops_words" });
      if (words.kind !== "variable" || words.storage.kind !== "static") throw new Error("no words");
      const asks = { stops: words.storage.address, faults: "all" as const };
      return Promise.resolve({
        counts: { ...plainly(look, "stood_still"), ...asks },
        leaves: { ...plainly(look, "leave_later"), ...asks },
      });
    });
    const tracer = addon.createTracer(() => undefined);
    const run = (request: RemoteFunctionCall): Promise<RemoteCallOutcome> =>
      addon.tracerCall(tracer, addon.openTarget(target.pid), request, [
        { tid: target.pid, pc: 0n, sp: 0n, call: 0 },
      ]);
    try {
      const counts: bigint[] = [];
      for (const when of [0n, 1n, 2n]) {
        const outcome = await run({ ...spec.counts, integers: [when] });
        assert.is(outcome.outcome, "returned");
        counts.push(outcome.integers[0]);
      }
      const [before = 0n, between = 0n, after = 0n] = counts;
      assert.ok(before >= 100n && after >= 100n, `${before} and ${after} stops`);
      assert.ok(between <= 10n, `${between} stops`);
      assert.is((await run(spec.leaves)).outcome, "kept");
    } finally {
      addon.tracerClose(tracer);
    }
  });
});

test("allocating functions are called on threads outside the allocator", async () => {
  await withTarget(program, { args: ["--allocators=3"] }, async (target) => {
    await inspect(target, async (look) => {
      let doubtful = 0;
      for (let round = 0; round < 40; round++) {
        const result = await call(look, "take_memory", [integer(5000)]);
        assert.is(long(result), 1n);
        // A busy machine may leave no thread outside for as long as we look.
        if (result.locksMayBeHeld.length > 0) doubtful++;
      }
      assert.ok(doubtful <= 10, `${doubtful} of 40 calls`);
    });
  });
});

test("sixty-four threads", async () => {
  await withTarget(buildTarget({ name: "basic" }), { args: ["--threads=64"] }, async (target) => {
    await inspect(target, async (look) => {
      for (let round = 0; round < 5; round++)
        assert.ok(long(await call(look, "target_now_ns")) > 0n);
    });
  });
});

test("a signal that comes during a call is handled afterwards", async () => {
  await withTarget(program, { args: ["--allocators=0"] }, async (target) => {
    await inspect(target, async (look) => {
      const running = call(look, "nap", [integer(400)]);
      await sleep(150);
      process.kill(target.pid, "SIGUSR1");
      assert.is(long(await running), 400n);
    });
    await sleep(50);
    assert.is((await target.state()).counters["handled"], 1);
  });
});

test("a function that is left by longjmp is let go, with its signals", async () => {
  await withTarget(program, { args: ["--jumper", "--allocators=0"] }, async (target) => {
    const handle = addon.openTarget(target.pid);
    await inspect(target, async (look) => {
      let jumper = look.threads().find((t) => t.name === "jumper");
      for (let wait = 0; jumper === undefined && wait < 500; wait++) {
        await sleep(10);
        jumper = look.threads().find((t) => t.name === "jumper");
      }
      if (jumper === undefined) throw new Error("no jumper");
      const tracer = addon.createTracer(() => undefined);
      try {
        const outcome = await addon.tracerCall(
          tracer,
          handle,
          { ...plainly(look, "jump"), timeLimitMs: 2000 },
          [{ tid: jumper.tid, pc: 0n, sp: 0n, call: 0 }],
        );
        assert.is(outcome.outcome, "left");
      } finally {
        addon.tracerClose(tracer);
      }
      await sleep(50);
      assert.is(long(await call(look, "jumps_so_far")), 2n);
    });
  });
});

test("a stopped process is refused and stays stopped", async () => {
  await withTarget(program, {}, async (target) => {
    process.kill(target.pid, "SIGSTOP");
    while (threadStates(target.pid).some((s) => s !== "T")) await sleep(5);
    await inspect(target, async (look) => {
      const error = await refused(call(look, "aligned"), "NO_BORROWABLE_THREAD");
      assert.match(error.message, /stopped/);
    });
    assert.ok(threadStates(target.pid).every((s) => s === "T"));
    process.kill(target.pid, "SIGCONT");
  });
});

test("nothing stays mapped", async () => {
  await withTarget(program, { args: ["--allocators=0"] }, async (target) => {
    const maps = (): string => readFileSync(`/proc/${target.pid}/maps`, "latin1");
    const before = maps();
    await inspect(target, async (look) => {
      await call(look, "aligned");
      await refused(call(look, "crash"), "CALL_CRASHED", "failed");
    });
    assert.is(maps(), before);
  });
});

test.run();

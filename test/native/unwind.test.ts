/** Unwinding of copied threads, against programs that stop in known places. */
import { spawn } from "node:child_process";
import { closeSync, openSync, readFileSync, readlinkSync, readSync } from "node:fs";
import { createInterface } from "node:readline";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { addon, type ModuleHandle, type ThreadSnapshot } from "../../native/addon/addon.js";
import { targetSource } from "../support/repository.js";
import { build } from "../support/toolchain.js";

const registerCount = 27;
const stackPointerIndex = 19;
const programCounterIndex = 16;
const framePointerIndex = 4;

const program = build({
  name: "unwind_frames",
  sources: [targetSource("elf/unwind_frames.c")],
  flags: [
    "-std=gnu11",
    "-D_GNU_SOURCE",
    "-O2",
    "-fomit-frame-pointer",
    "-pthread",
    "-Wall",
    "-Werror",
  ],
});

interface Stopped {
  readonly pid: number;
  readonly registers: Buffer;
  readonly tid: number;
  /** Everything that is mapped from a file. */
  readonly modules: readonly ModuleHandle[];
}

/** The modules of a process, each at the address of its first mapping. */
function modulesOf(pid: number): ModuleHandle[] {
  const seen = new Map<string, bigint>();
  for (const line of readFileSync(`/proc/${pid}/maps`, "utf8").split("\n")) {
    const parts = /^([0-9a-f]+)-[0-9a-f]+ \S+ 00000000 \S+ [1-9]\d*\s+(\/.*)$/.exec(line);
    const [, start, path] = parts ?? [];
    if (start !== undefined && path !== undefined && !seen.has(path))
      seen.set(path, BigInt(`0x${start}`));
  }
  return [...seen].map(([path, loadAddress]) => addon.openModule(path, { loadAddress }));
}

/** Runs `body` on a process that stands still in the given scenario; ends the process. */
async function withStopped(scenario: string, body: (stopped: Stopped) => void): Promise<void> {
  const child = spawn(program, [scenario], { stdio: ["ignore", "pipe", "inherit"] });
  try {
    const line = await new Promise<string>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error("the program does not stop")), 20_000);
      const lines = createInterface({ input: child.stdout });
      lines.once("line", (text) => resolve(text));
      lines.once("close", () => reject(new Error("the program ended")));
      child.once("exit", () => clearTimeout(timer));
    });
    const [name, pid, tid, ...words] = line.split(" ");
    assert.is(name, scenario);
    assert.is(words.length, registerCount);
    const registers = Buffer.alloc(8 * registerCount);
    words.forEach((word, index) => registers.writeBigUInt64LE(BigInt(`0x${word}`), 8 * index));
    body({ pid: Number(pid), tid: Number(tid), registers, modules: modulesOf(Number(pid)) });
  } finally {
    const ended = new Promise((resolve) => child.once("exit", resolve));
    if (child.exitCode === null && child.signalCode === null) {
      child.kill("SIGKILL");
      await ended;
    }
  }
}

function snapshot(
  stopped: Stopped,
  stack: Buffer = Buffer.alloc(0),
  stackStart = 0n,
): ThreadSnapshot {
  return { tid: stopped.tid, registers: stopped.registers, stackStart, stack };
}

/** Copies a thread's stack from its stack pointer on. */
function copyStack(stopped: Stopped, most: number): { stack: Buffer; stackStart: bigint } {
  const stackStart = stopped.registers.readBigUInt64LE(8 * stackPointerIndex);
  const file = openSync(`/proc/${stopped.pid}/mem`, "r");
  try {
    const stack = Buffer.alloc(most);
    const length = readSync(file, stack, 0, most, stackStart);
    return { stack: stack.subarray(0, length), stackStart };
  } finally {
    closeSync(file);
  }
}

interface Named {
  readonly name: string;
  readonly signalFrame: boolean;
}

function unwindNamed(
  stopped: Stopped,
  thread: ThreadSnapshot,
  pid = stopped.pid,
  most = 2000,
): { frames: Named[]; incomplete: string | null } {
  const result = addon.unwind(pid, stopped.modules, thread, most);
  let previous = 0n;
  const frames = result.frames.map((frame, index) => {
    // Return addresses may lie behind the end of a function that ends with a call.
    const place = index === 0 || frame.signalFrame ? frame.pc : frame.pc - 1n;
    let name = "?";
    for (const module of stopped.modules) {
      name = addon.symbolAt(module, place)?.name ?? name;
    }
    if (frame.cfa !== null && !frame.signalFrame) {
      assert.ok(frame.cfa > previous || result.frames.some((one) => one.signalFrame), "cfa grows");
      previous = frame.cfa;
    }
    return { name, signalFrame: frame.signalFrame };
  });
  return { frames, incomplete: result.incomplete };
}

function names(frames: readonly Named[]): string[] {
  return frames.map((frame) => frame.name);
}

test("a plain chain of calls without frame pointers, up to the program's start", async () => {
  await withStopped("plain", (stopped) => {
    const { frames, incomplete } = unwindNamed(stopped, snapshot(stopped));
    assert.is(incomplete, null);
    assert.equal(names(frames).slice(0, 5), ["stop_here", "third", "second", "first", "main"]);
    assert.is(names(frames).at(-1), "_start");
    assert.not.ok(frames.some((frame) => frame.signalFrame));
  });
});

test("the copied stack alone is enough, without the process", async () => {
  await withStopped("plain", (stopped) => {
    const { stack, stackStart } = copyStack(stopped, 65536);
    const live = unwindNamed(stopped, snapshot(stopped));
    const copied = unwindNamed(stopped, snapshot(stopped, stack, stackStart), 0);
    assert.equal(copied, live);
    // Without either there is only the first frame, and a reason.
    const nothing = unwindNamed(stopped, snapshot(stopped), 0);
    assert.is(nothing.frames.length, 1);
    assert.match(nothing.incomplete ?? "", /cannot be read/);
    // The copy is believed, not the process: a copy of zeros leads nowhere.
    const zeros = unwindNamed(stopped, snapshot(stopped, Buffer.alloc(stack.length), stackStart));
    assert.ok(zeros.frames.length < live.frames.length);
  });
});

test("through a signal handler to what the signal interrupted", async () => {
  for (const scenario of ["signal", "alternate"]) {
    await withStopped(scenario, (stopped) => {
      const { frames, incomplete } = unwindNamed(stopped, snapshot(stopped));
      assert.is(incomplete, null, scenario);
      assert.equal(
        names(frames).slice(0, 5),
        ["stop_here", "third", "second", "first", "other_handler"],
        scenario,
      );
      const interrupted = frames.findIndex((frame) => frame.signalFrame);
      // handler, the code it returns to, the interrupted system call, and on to main.
      assert.is(interrupted, 6, scenario);
      assert.is(frames[interrupted]?.name, "syscall", scenario);
      assert.is(frames[interrupted + 1]?.name, "main", scenario);
      assert.is(names(frames).at(-1), "_start", scenario);
    });
  }
});

test("500 frames of recursion, and the limit of frames", async () => {
  await withStopped("recursion", (stopped) => {
    const all = unwindNamed(stopped, snapshot(stopped));
    assert.is(all.incomplete, null);
    assert.is(names(all.frames).filter((name) => name === "recurse").length, 501);
    const few = unwindNamed(stopped, snapshot(stopped), stopped.pid, 10);
    assert.is(few.frames.length, 10);
    assert.match(few.incomplete ?? "", /more than 10 frames/);
    assert.is(unwindNamed(stopped, snapshot(stopped), stopped.pid, 0).frames.length, 0);
  });
});

test("out of the C library's own frames back into the program", async () => {
  await withStopped("callback", (stopped) => {
    const { frames, incomplete } = unwindNamed(stopped, snapshot(stopped));
    assert.is(incomplete, null);
    assert.is(frames[1]?.name, "compare");
    assert.ok(names(frames).includes("main"));
    assert.ok(names(frames).indexOf("main") > 2);
  });
});

test("a thread, up to where it was created", async () => {
  await withStopped("thread", (stopped) => {
    const { frames, incomplete } = unwindNamed(stopped, snapshot(stopped));
    assert.is(incomplete, null);
    assert.equal(names(frames).slice(3, 5), ["first", "in_thread"]);
    assert.not.ok(names(frames).includes("main"));
  });
});

test("code of no module: a stub by its return address, a function by its frame pointer", async () => {
  for (const scenario of ["stub", "frame"]) {
    await withStopped(scenario, (stopped) => {
      const { frames, incomplete } = unwindNamed(stopped, snapshot(stopped));
      assert.is(incomplete, null, scenario);
      assert.equal(names(frames).slice(0, 3), ["?", "through_stub", "main"], scenario);
    });
  }
});

test("an address that nothing covers ends with a reason", async () => {
  await withStopped("plain", (stopped) => {
    const registers = Buffer.from(stopped.registers);
    registers.writeBigUInt64LE(0x10n, 8 * programCounterIndex);
    registers.writeBigUInt64LE(0n, 8 * framePointerIndex);
    registers.writeBigUInt64LE(8n, 8 * stackPointerIndex);
    const result = addon.unwind(
      stopped.pid,
      stopped.modules,
      { tid: stopped.tid, registers, stackStart: 0n, stack: Buffer.alloc(0) },
      100,
    );
    assert.is(result.frames.length, 1);
    assert.match(result.incomplete ?? "", /no module covers 0x10/);
  });
});

test("random registers and stacks neither crash nor run for ever", async () => {
  await withStopped("recursion", (stopped) => {
    const { stack, stackStart } = copyStack(stopped, 16384);
    let seed = 12345;
    const random = (): number => (seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff) >> 8;
    const deadline = Date.now() + 20_000;
    let rounds = 0;
    for (; rounds < 2000 && Date.now() < deadline; ++rounds) {
      const registers = Buffer.from(stopped.registers);
      const copy = Buffer.from(stack);
      for (let change = random() % 8; change >= 0; --change) {
        registers.writeUInt32LE(random(), (random() % (2 * registerCount)) * 4);
        copy.writeUInt32LE(random(), (random() % (copy.length / 4)) * 4);
      }
      const result = addon.unwind(
        0,
        stopped.modules,
        { tid: stopped.tid, registers, stackStart, stack: copy },
        64,
      );
      assert.ok(result.frames.length >= 1 && result.frames.length <= 64);
    }
    assert.ok(rounds > 200, `${rounds} rounds`);
  });
});

test("wrong arguments are errors with a code", () => {
  const module = addon.openModule(readlinkSync("/proc/self/exe"), { loadAddress: 0n });
  const empty = { tid: 1, registers: Buffer.alloc(1), stackStart: 0n, stack: Buffer.alloc(0) };
  for (const attempt of [
    () => addon.unwind(1, [], { ...empty, registers: Buffer.alloc(216) }, 10),
    () => addon.unwind(1, [module], empty, 10),
    () => addon.unwind(-1, [module], empty, 10),
  ]) {
    assert.throws(attempt, (error: unknown) => {
      return error instanceof Error && "code" in error && error.code === "INVALID_ARGUMENT";
    });
  }
});

test.run();

/** What the C library's calls do to data of which two versions are guarded. */
import * as assert from "uvu/assert";
import { hookLayout } from "../../../native/data/library_hooks.js";
import { TargetProcess as Member } from "../../../native/session/target_process.js";
import { boxProgram, boxUpdate, expectClean } from "../../support/box.js";
import {
  apply,
  engine,
  expectUntraced,
  refused,
  rollback,
  withSession,
} from "../../support/engine_session.js";
import { test } from "../../support/engine_test.js";
import { buildPatch, patch, update } from "../../support/patches.js";
import { readMemory, writeMemory } from "../../support/proc.js";
import { sleep, withTarget, type TargetProcess } from "../../support/target_process.js";

const program = boxProgram();

const commands = [
  "read",
  "recv",
  "readv",
  "recvmsg",
  "sockopt",
  "ioctl",
  "stat",
  "pipe",
  "random",
  "poll",
  "fork",
  "blocked",
  "handler",
  "mprotect",
  "altstack",
  "vfork",
  "mremap",
  "munmap",
] as const;

async function dataState(target: TargetProcess): Promise<string | undefined> {
  return (await engine.status(target.pid))?.updates.at(-1)?.patches[0]?.data?.state;
}

async function guardedPages(target: TargetProcess): Promise<number> {
  return (await engine.status(target.pid))?.runtime?.guardedPages ?? 0;
}

/** All stacks lead to their ends, also through the runtime, and one of them through this function. */
async function expectSeen(target: TargetProcess, name: string): Promise<void> {
  const stacks = await withSession(target.pid, (session) => session.stacks(target.pid));
  assert.equal(
    stacks.flatMap(({ incomplete }) => incomplete ?? []),
    [],
  );
  const found = stacks.filter(({ frames }) => frames.some((f) => f.function === name));
  assert.is(found.length, 1);
}

for (const command of commands) {
  test(`while both versions are in use: ${command}`, async () => {
    await withTarget(program, {}, async (target) => {
      await expectClean(target, command);
      await apply(target.pid, boxUpdate());
      assert.is(await dataState(target), "coexisting");
      const before = (await engine.status(target.pid))?.runtime;
      await expectClean(target, command);
      await expectClean(target, command);
      const after = (await engine.status(target.pid))?.runtime;
      assert.is(after?.damaged, false);
      // Objects whose memory goes are forgotten instead.
      if (command !== "munmap")
        assert.ok((after?.transfers ?? 0) > (before?.transfers ?? 0), "nothing was carried over");
      await rollback(target.pid);
      assert.is(await dataState(target), "retired");
      await expectClean(target, command);
      expectUntraced(target);
    });
  });
}

const interrupted = ["poll", "ppoll", "select", "epoll_wait"] as const;
const madeAgain = [
  "read",
  "readv",
  "recv",
  "recvmsg",
  "accept",
  "accept4",
  "waitpid",
  "waitid",
] as const;
for (const call of [...interrupted, ...madeAgain]) {
  test(`a thread that waits in ${call} since before the update`, async () => {
    await withTarget(program, { args: [`--waits=${call}`] }, async (target) => {
      await expectClean(target, "wake");
      for (let round = 0; round < 2; round++) {
        await apply(target.pid, boxUpdate());
        assert.is(await dataState(target), "coexisting");
        await expectSeen(target, "waiter");
        await expectClean(target, "wake");
        await expectSeen(target, "waiter");
        await expectClean(target, "wake");
        await rollback(target.pid);
        await expectClean(target, "wake");
      }
      expectUntraced(target);
    });
  });
}

for (const call of ["read", "recvmsg"]) {
  test(`signals while a thread waits in ${call} since before the update`, async () => {
    await withTarget(program, { args: [`--waits=${call}`] }, async (target) => {
      for (const signals of [["restart"], ["interrupt"], ["restart", "interrupt", "restart"]]) {
        for (const signal of signals) await expectClean(target, signal);
        await apply(target.pid, boxUpdate());
        for (const signal of signals) await expectClean(target, signal);
        await expectClean(target, "wake");
        await rollback(target.pid);
        await expectClean(target, "wake");
      }
    });
  });
}

for (const [call, since] of ["read", "readv", "recv", "recvmsg"].flatMap((one) => [
  [one, "before the update"] as const,
  [one, "after it"] as const,
])) {
  test(`an object is created in the page to which a thread waits in ${call} since ${since}`, async () => {
    await withTarget(program, { args: [`--waits=${call}`, "--yard"] }, async (target) => {
      await apply(target.pid, boxUpdate());
      if (since === "after it") await expectClean(target, "wake");
      for (let round = 0; round < 3; round++) {
        const before = await guardedPages(target);
        await expectClean(target, "lay");
        if (round === 0)
          assert.ok((await guardedPages(target)) > before, "no page more is guarded");
        await expectClean(target, "wake");
      }
      await rollback(target.pid);
      await expectClean(target, "wake");
    });
  });
}

for (const call of ["read", "recv"]) {
  test(`a thread is cancelled that waits in ${call} since before the update`, async () => {
    await withTarget(program, { args: [`--waits=${call}`] }, async (target) => {
      await apply(target.pid, boxUpdate());
      await expectClean(target, "cancel");
      await rollback(target.pid);
      await expectClean(target, "read");
    });
  });
}

test("a thread waits since before an update that is taken back, or completed and taken back, before it wakes up", async () => {
  await withTarget(program, { args: ["--waits=read"] }, async (target) => {
    for (let round = 0; round < 3; round++) {
      await apply(target.pid, boxUpdate());
      await rollback(target.pid);
    }
    await expectClean(target, "wake");
    await apply(target.pid, boxUpdate());
    await expectClean(target, "leave");
    await sleep(20);
    await withSession(target.pid, (session) => session.complete("box"));
    assert.is(await dataState(target), "complete");
    await rollback(target.pid);
    await expectClean(target, "wake");
    expectUntraced(target);
  });
});

/** Where the runtime's hooks stand that may be passed by, and their doors. */
function doorsOf(target: TargetProcess): { readonly hook: number; readonly door: number }[] {
  const { runtime } = Member.open(target.pid, new Map(), true).record();
  const table = runtime?.symbols.find(({ name }) => name === "polus_hooks");
  assert.ok(table);
  const doors = [];
  for (
    let hook = Number(table.address);
    readMemory(target.pid, hook, 1)[0] !== 0;
    hook += hookLayout.size
  ) {
    const door = readMemory(target.pid, hook + hookLayout.door, 8).readBigUInt64LE();
    if (door !== 0n) doors.push({ hook, door: Number(door) });
  }
  return doors;
}

const doorStates = (target: TargetProcess): ReadonlySet<number | undefined> =>
  new Set(doorsOf(target).map(({ door }) => readMemory(target.pid, door, 1)[0]));

const others = ["masks", "on_linux"];

test("while nothing is guarded, calls go past the runtime", async () => {
  await withTarget(program, {}, async (target) => {
    const passing = ["read", "readv", "stat", "ioctl", "random", "poll", ...others];
    await apply(target.pid, boxUpdate());
    assert.equal(doorStates(target), new Set([1]));
    for (const command of passing) await expectClean(target, command);
    await rollback(target.pid);
    assert.equal(doorStates(target), new Set([0]));
    const doors = doorsOf(target);
    assert.ok(doors.length > 40);
    const kept = doors.map(({ hook }) => readMemory(target.pid, hook + hookLayout.previous, 8));
    // Whoever comes through the runtime now goes on at address 0.
    for (const { hook } of doors)
      writeMemory(target.pid, hook + hookLayout.previous, Buffer.alloc(8));
    for (const command of passing) await expectClean(target, command);
    doors.forEach(({ hook }, at) => {
      writeMemory(target.pid, hook + hookLayout.previous, kept[at] ?? Buffer.alloc(0));
    });
    await expectClean(target, "blocked");
    await apply(target.pid, boxUpdate());
    assert.equal(doorStates(target), new Set([1]));
    for (const command of passing) await expectClean(target, command);
  });
});

test("a function that calls go past the runtime to is replaced by an update, too", async () => {
  const inLibrary = { kind: "library", name: "libc.so.6" } as const;
  const replaced = { function: "uname", with: "uname_elsewhere", in: inLibrary };
  const machine = update("machine", [patch("uname", buildPatch("uname.c"), [replaced])]);
  await withTarget(program, {}, async (target) => {
    await apply(target.pid, boxUpdate());
    await rollback(target.pid);
    await expectClean(target, "on_linux");
    for (let round = 0; round < 2; round++) {
      await apply(target.pid, machine);
      await expectClean(target, "elsewhere");
      await rollback(target.pid);
      await expectClean(target, "on_linux");
    }
    await apply(target.pid, boxUpdate());
    await expectClean(target, "on_linux");
    await apply(target.pid, machine);
    await expectClean(target, "elsewhere");
    for (let round = 0; round < 2; round++) await rollback(target.pid);
    for (const command of ["on_linux", "read"]) await expectClean(target, command);
  });
});

test("what the kernel writes at any time is refused beforehand", async () => {
  await withTarget(program, { args: ["--aio"] }, async (target) => {
    await refused(apply(target.pid, boxUpdate()), "KERNEL_WRITES");
    assert.is(await engine.status(target.pid), null);
    await expectClean(target, "read");
  });
});

test("a program that has closed all descriptors", async () => {
  await withTarget(program, {}, async (target) => {
    await apply(target.pid, boxUpdate());
    await expectClean(target, "closed");
    await expectClean(target, "closed");
    await rollback(target.pid);
    await expectClean(target, "closed");
  });
});

test("a thread blocked SIGSEGV before it came into the handler that it is in", async () => {
  await withTarget(program, {}, async (target) => {
    await expectClean(target, "framed");
    await apply(target.pid, boxUpdate());
    await expectClean(target, "unframe");
    await rollback(target.pid);
    await expectClean(target, "read");
  });
});

test("all of them, one after another, in each phase", async () => {
  await withTarget(program, {}, async (target) => {
    await apply(target.pid, boxUpdate());
    for (const command of commands) await expectClean(target, command);
    await expectClean(target, "leave");
    await sleep(20);
    await withSession(target.pid, (session) => session.complete("box"));
    assert.is(await dataState(target), "complete");
    await rollback(target.pid);
    for (const command of commands) await expectClean(target, command);
  });
});

test.run();

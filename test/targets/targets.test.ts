// may skip: only root may confine a target so, or change to another user
/**
 * Every target runs clean, and its self-check finds what it is meant to find:
 * a target whose check cannot fail would make every other test worthless.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  basicProgram,
  blockedProgram,
  buildLibrary,
  buildTracer,
  entriesProgram,
  functionsProgram,
  libraryProgram,
  registersProgram,
  stateProgram,
  staticsProgram,
  tlsProgram,
} from "../support/programs.js";
import { buildTarget, sleep, TargetProcess, withTarget } from "../support/target_process.js";
import { runTool } from "../support/toolchain.js";

interface Runnable {
  readonly program: string;
  readonly args?: readonly string[];
}

const plugin = (): string => `--plugin=${buildLibrary("library_plugin")}`;

const programs: Readonly<Record<string, () => Runnable>> = {
  basic: () => ({ program: basicProgram() }),
  functions: () => ({ program: functionsProgram() }),
  statics: () => ({ program: staticsProgram() }),
  tls: () => ({ program: tlsProgram() }),
  library: () => ({ program: libraryProgram(), args: [plugin()] }),
  ifunc: () => ({ program: buildTarget({ name: "ifunc" }) }),
  blocked: () => ({ program: blockedProgram() }),
  registers: () => ({ program: registersProgram() }),
  entries: () => ({ program: entriesProgram() }),
  state: () => ({ program: stateProgram() }),
  churn: () => ({ program: buildTarget({ name: "churn" }) }),
  allocator: () => ({ program: buildTarget({ name: "allocator" }), args: [plugin()] }),
  signals: () => ({ program: buildTarget({ name: "signals" }) }),
  faults: () => ({ program: buildTarget({ name: "faults" }) }),
  coroutines: () => ({ program: buildTarget({ name: "coroutines" }) }),
  forever: () => ({ program: buildTarget({ name: "forever" }) }),
  family: () => ({ program: buildTarget({ name: "family" }), args: ["--vfork"] }),
  vfork_hold: () => ({ program: buildTarget({ name: "vfork_hold" }), args: ["--hold-ms=20"] }),
  reexec: () => ({ program: buildTarget({ name: "reexec" }) }),
  many: () => ({ program: buildTarget({ name: "many" }) }),
  cancel: () => ({ program: buildTarget({ name: "cancel" }) }),
  leaderless: () => ({ program: buildTarget({ name: "leaderless" }) }),
  strict: () => ({ program: buildTarget({ name: "strict" }) }),
  moments: () => ({ program: buildTarget({ name: "moments" }), args: ["--watch"] }),
  calls: () => ({ program: buildTarget({ name: "calls" }), args: ["--jumper"] }),
  surroundings: () => ({ program: buildTarget({ name: "surroundings" }) }),
};

for (const [name, make] of Object.entries(programs)) {
  test(`${name} runs clean and reaches only old versions`, async () => {
    const { program, args = [] } = make();
    await withTarget(program, { args }, async (target) => {
      const state = await target.freshCounts(400);
      assert.is(state.errors, 0, state.firstError ?? "");
      for (const [probe, counts] of Object.entries(state.probes)) {
        assert.ok(counts.old > 0, `${probe} was not called`);
        assert.is(counts.new + counts.newer, 0, `${probe} reached another version`);
      }
    });
  });
}

test("every blocked thread's wait ends again and again", async () => {
  await withTarget(blockedProgram(), {}, async (target) => {
    const before = await target.state();
    await sleep(600);
    const after = await target.state();
    for (const [kind, waits] of Object.entries(after.counters)) {
      assert.ok(waits > (before.counters[kind] ?? 0), `${kind} does not go on`);
    }
  });
});

/** Runs a saboteur against a target; returns the violation that the target found. */
async function violation(runnable: Runnable, damage: string): Promise<string> {
  const target = await TargetProcess.start(runnable.program, { args: runnable.args ?? [] });
  try {
    await sleep(200);
    runTool(buildTracer("saboteur"), [damage, String(target.pid)]);
    const last = await target.quit();
    assert.is(last.verdict, "violated", `${damage} was not noticed`);
    return last.firstError ?? "";
  } finally {
    await target.kill();
  }
}

for (const kind of [
  "epoll_wait",
  "accept_timed",
  "recv_timed",
  "send_timed",
  "io_getevents",
  "semop",
  "semtimedop",
  "sigtimedwait",
  "epoll_pwait",
  "epoll_timeout",
]) {
  test(`a careless stop is noticed in ${kind}`, async () => {
    const found = await violation(
      { program: blockedProgram(), args: [`--only=${kind}`] },
      "interrupt",
    );
    assert.match(found, /EINTR/);
  });
}

for (const [damage, expected] of [
  ["vectors", /vector register 5/],
  ["general", /rbx/],
  ["red-zone", /red zone/],
] as const) {
  test(`damage to ${damage} is noticed`, async () => {
    assert.match(await violation({ program: registersProgram() }, damage), expected);
  });
}

const isRoot = process.geteuid?.() === 0;
for (const [what, args, byRoot] of [
  ["a chroot", ["--chroot=/proc/self/fdinfo"], true],
  ["another user", ["--uid=65534", "--undumpable"], true],
  ["a strict system call filter", ["--seccomp"], false],
  ["a tight address space", ["--as-headroom=65536"], false],
  ["locked memory", ["--lock-future"], false],
  ["an address space without room near it", ["--crowded"], false],
] as const) {
  const define = byRoot && !isRoot ? test.skip : test;
  define(`a target confined by ${what} runs clean`, async () => {
    await withTarget(basicProgram(), { args }, async (target) => {
      assert.ok(((await target.freshCounts()).probes["answer"]?.old ?? 0) > 0);
    });
  });
}

test("a filtered target is killed by a call that its filter does not name", async () => {
  const target = await TargetProcess.start(basicProgram(), { args: ["--seccomp"] });
  try {
    await target.ask("forbidden");
    assert.unreachable("the forbidden call was let through");
  } catch {
    assert.is(await target.exited(), "SIGSYS");
  } finally {
    await target.kill();
  }
});

test.run();

// timeout 300s
/** Updates of programs whose threads are busy with everything that makes stopping them hard. */
import * as assert from "uvu/assert";
import {
  apply,
  expectUntraced,
  expectVersion,
  rollback,
  roundTrip,
  withSession,
} from "../../support/engine_session.js";
import { test } from "../../support/engine_test.js";
import { buildPatch, simpleUpdate } from "../../support/patches.js";
import {
  basicProgram,
  basicUpdate,
  buildLibrary,
  registersProgram,
} from "../../support/programs.js";
import { buildTarget, sleep, withTarget } from "../../support/target_process.js";

test("no register, vector register or red zone changes in any thread", async () => {
  const request = simpleUpdate("registers", buildPatch("registers.c"), ["preserve"]);
  const third = simpleUpdate("registers-third", buildPatch("registers.c"), [
    { function: "preserve", with: "preserve_third" },
  ]);
  await withTarget(registersProgram(), {}, async (target) => {
    await roundTrip(target, request);
    for (let round = 0; round < 5; round++) {
      await apply(target.pid, request);
      await apply(target.pid, third);
      await expectVersion(target, "newer");
      await rollback(target.pid);
      await rollback(target.pid);
    }
    await expectVersion(target, "old");
  });
});

test("threads that are created and end all the time", async () => {
  await withTarget(buildTarget({ name: "churn" }), {}, async (target) => {
    for (let round = 0; round < 5; round++)
      await roundTrip(target, basicUpdate({ name: `${round}` }));
  });
});

test("threads inside malloc's lock and the dynamic loader", async () => {
  const args = [`--plugin=${buildLibrary("library_plugin")}`];
  await withTarget(buildTarget({ name: "allocator" }), { args }, async (target) => {
    for (let round = 0; round < 5; round++)
      await roundTrip(target, basicUpdate({ name: `${round}` }));
  });
});

test("a storm of signals whose handlers call the updated function", async () => {
  await withTarget(buildTarget({ name: "signals" }), {}, async (target) => {
    for (let round = 0; round < 3; round++)
      await roundTrip(target, basicUpdate({ name: `${round}` }));
    const before = await target.state();
    await expectVersion(target, "old");
    const after = await target.state();
    assert.ok((after.counters["handled"] ?? 0) > (before.counters["handled"] ?? 0));
  });
});

test("a program with fault handlers of its own, on alternate stacks", async () => {
  const request = simpleUpdate("faults", buildPatch("faults.c"), ["fetch"]);
  await withTarget(buildTarget({ name: "faults" }), {}, (target) => roundTrip(target, request));
});

test("coroutines suspended inside the updated function", async () => {
  const request = simpleUpdate("coroutines", buildPatch("coroutines.c"), ["stage", "leaf"]);
  await withTarget(buildTarget({ name: "coroutines" }), {}, async (target) => {
    await expectVersion(target, "old");
    for (let round = 0; round < 3; round++) {
      await apply(target.pid, request);
      await expectVersion(target, "new");
      await rollback(target.pid);
      await expectVersion(target, "old");
    }
  });
});

test("threads that are cancelled inside the updated function", async () => {
  const request = simpleUpdate("cancel", buildPatch("cancel.c"), ["wait_for_byte"]);
  await withTarget(buildTarget({ name: "cancel" }), {}, async (target) => {
    await roundTrip(target, request);
    await apply(target.pid, request);
    const before = await expectVersion(target, "new");
    await sleep(100);
    const after = await target.state();
    assert.ok((after.counters["cancelled"] ?? 0) > (before.counters["cancelled"] ?? 0));
  });
});

const forever = ["work", "step", "loop_forever"];

test("64 threads in a loop, one for ever inside, a main loop that never returns", async () => {
  const request = simpleUpdate("forever", buildPatch("forever.c"), forever);
  await withTarget(buildTarget({ name: "forever" }), {}, async (target) => {
    await roundTrip(target, request);
    await apply(target.pid, request);
    const active = await withSession(target.pid, (session) => session.complete("forever"));
    const functions = active.map((frame) => frame.function);
    assert.ok(functions.includes("work"), `still inside: ${functions.join(" ")}`);
    assert.ok(functions.includes("loop_forever"), `still inside: ${functions.join(" ")}`);
    await expectVersion(target, "new");
  });
});

test("256 threads", async () => {
  const args = ["--threads=256", "--pause-us=20000"];
  await withTarget(basicProgram(), { args }, async (target) => {
    await expectVersion(target, "old");
    const result = await apply(target.pid, basicUpdate());
    assert.ok(result.stoppedThreadsMax >= 256);
    await expectVersion(target, "new");
    await rollback(target.pid);
    await expectVersion(target, "old");
    expectUntraced(target);
  });
});

test("a single thread", async () => {
  await withTarget(basicProgram(), { args: ["--threads=1"] }, (target) =>
    roundTrip(target, basicUpdate()),
  );
});

test("stacks lead through the new code, by its call frame information", async () => {
  const request = simpleUpdate("cancel", buildPatch("cancel.c"), ["wait_for_byte"]);
  await withTarget(buildTarget({ name: "cancel" }), {}, async (target) => {
    await apply(target.pid, request);
    let seen = 0;
    for (let look = 0; look < 100 && seen < 4; look++) {
      const stacks = await withSession(target.pid, (session) => session.stacks(target.pid));
      for (const { frames, incomplete } of stacks) {
        const at = frames.findIndex((frame) => frame.function === "wait_for_byte");
        if (at <= 0) continue; // a thread's first frame says nothing about the next one
        seen += 1;
        assert.is(incomplete, null);
        assert.is(frames[at]?.module, null, "old code");
        assert.is(frames[at + 1]?.function, "waiting");
      }
    }
    assert.ok(seen >= 4, `${seen} threads were seen in the new function`);
  });
});

test("500 functions at once", async () => {
  const names = Array.from({ length: 500 }, (_, index) => `many_${1000 + index}`);
  const request = simpleUpdate("many", buildPatch("many.c"), names);
  await withTarget(buildTarget({ name: "many" }), {}, async (target) => {
    await expectVersion(target, "old");
    const result = await apply(target.pid, request);
    assert.is(result.functions, 500);
    await expectVersion(target, "new");
    await rollback(target.pid);
    await expectVersion(target, "old");
  });
});

test("stacks are shown for every thread", async () => {
  await withTarget(buildTarget({ name: "forever" }), { args: ["--threads=4"] }, async (target) => {
    const stacks = await withSession(target.pid, (session) => session.stacks(target.pid));
    assert.is(stacks.length, 7);
    const looping = stacks.find((stack) =>
      stack.frames.some((frame) => frame.function === "loop_forever"),
    );
    assert.ok(looping, "no stack shows loop_forever");
    assert.ok(
      stacks.some((stack) => stack.frames.some((frame) => frame.function === "target_serve")),
      "no stack shows what the main thread is in",
    );
    expectUntraced(target);
    await expectVersion(target, "old");
  });
});

test.run();

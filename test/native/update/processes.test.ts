// timeout 300s
/** Trees of processes, forks, vfork, exec and job control while updates come and go. */
import * as assert from "uvu/assert";
import { EngineError } from "../../../native/engine.js";
import {
  apply,
  engine,
  expectUntraced,
  expectVersion,
  refused,
  rollback,
  roundTrip,
  withSession,
} from "../../support/engine_session.js";
import { test } from "../../support/engine_test.js";
import { buildPatch, simpleUpdate } from "../../support/patches.js";
import { childrenOf, exists, threadStates, tracers } from "../../support/proc.js";
import { basicProgram, basicUpdate } from "../../support/programs.js";
import { buildTarget, sleep, TargetProcess, withTarget } from "../../support/target_process.js";

const familyProgram = buildTarget({ name: "family" });

function familyUpdate(name = "family"): ReturnType<typeof simpleUpdate> {
  return simpleUpdate(name, buildPatch("family.c"), ["first", "second"], { scope: "tree" });
}

test("a tree that stands still: all processes are updated and rolled back", async () => {
  await withTarget(familyProgram, { args: ["--quiet", "--sessions=4"] }, async (target) => {
    const sessions = childrenOf(target.pid);
    assert.is(sessions.length, 4);
    const descendants = await engine.descendants(target.pid);
    assert.equal(descendants.map((found) => found.pid).sort(), [...sessions].sort());
    await expectVersion(target, "old", ["parent", "session"]);
    const applied = await withSession(target.pid, (session) => session.apply(familyUpdate()));
    assert.equal([...applied.pids].sort(), [target.pid, ...sessions].sort());
    await expectVersion(target, "new", ["parent", "session"]);
    for (const pid of sessions) {
      assert.is((await engine.status(pid))?.updates.at(-1)?.state, "active");
    }
    await withSession(target.pid, (session) => session.rollback());
    await expectVersion(target, "old", ["parent", "session"]);
    expectUntraced(target);
  });
});

test("a tree that forks all the time: children born at any moment carry the update", async () => {
  await withTarget(familyProgram, {}, async (target) => {
    for (let round = 0; round < 5; round++) {
      await withSession(target.pid, (session) => session.apply(familyUpdate(`family-${round}`)));
      await expectVersion(target, "new");
      await withSession(target.pid, (session) => session.rollback());
      await expectVersion(target, "old");
    }
  });
});

test("a tree that also runs other programs, by vfork and exec", async () => {
  await withTarget(familyProgram, { args: ["--vfork"] }, async (target) => {
    for (let round = 0; round < 5; round++) {
      await withSession(target.pid, (session) => session.apply(familyUpdate(`family-${round}`)));
      await expectVersion(target, "new");
      await withSession(target.pid, (session) => session.rollback());
      await expectVersion(target, "old");
    }
    const before = await target.state();
    await sleep(300);
    const after = await target.state();
    assert.ok((after.counters["programs_run"] ?? 0) > (before.counters["programs_run"] ?? 0));
  });
});

test("children forked after an update of one process carry it", async () => {
  await withTarget(familyProgram, { args: ["--sessions=0"] }, async (target) => {
    const request = simpleUpdate("family", buildPatch("family.c"), ["first", "second"]);
    await apply(target.pid, request);
    // Children that were alive already are gone after a moment.
    await sleep(300);
    await expectVersion(target, "new", ["parent", "child", "grandchild"]);
  });
});

test("a process that is not in the tree is left alone", async () => {
  await withTarget(familyProgram, { args: ["--quiet"] }, async (bystander) => {
    await withTarget(familyProgram, { args: ["--quiet"] }, async (target) => {
      await withSession(target.pid, (session) => session.apply(familyUpdate()));
      await expectVersion(target, "new", ["parent", "session"]);
      await expectVersion(bystander, "old", ["parent", "session"]);
      assert.is(await engine.status(bystander.pid), null);
    });
  });
});

const holding = buildTarget({ name: "vfork_hold" });

test("a thread in vfork for ever is refused within bounded time", async () => {
  await withTarget(holding, {}, async (target) => {
    assert.ok(threadStates(target.pid).includes("D"), "no thread sleeps uninterruptibly");
    const begin = Date.now();
    await refused(apply(target.pid, basicUpdate()), "CANNOT_STOP");
    assert.ok(Date.now() - begin < 20_000);
    expectUntraced(target);
    const states = (await engine.status(target.pid))?.updates.map((one) => one.state) ?? [];
    assert.ok(
      states.every((state) => state === "rolled-back"),
      states.join(" "),
    );
    await expectVersion(target, "old");
  });
});

test("a thread that is in vfork for moments is waited for", async () => {
  await withTarget(holding, { args: ["--hold-ms=25"] }, async (target) => {
    for (let round = 0; round < 3; round++)
      await roundTrip(target, basicUpdate({ name: `${round}` }));
    const last = await target.state();
    assert.ok((last.counters["holds"] ?? 0) > 0);
  });
});

const reexec = buildTarget({ name: "reexec" });

test("exec drops the update with the old image", async () => {
  await withTarget(reexec, {}, async (target) => {
    await apply(target.pid, basicUpdate());
    await expectVersion(target, "new");
    await target.restart("exec");
    assert.is(await engine.status(target.pid), null);
    await expectVersion(target, "old");
    await roundTrip(target, basicUpdate());
  });
});

test("exec at any moment of an update leaves a whole program", async () => {
  await withTarget(reexec, {}, async (target) => {
    for (let delay = 0; delay < 60; delay += 4) {
      const ready = target.restart(`exec ${delay}`);
      const outcome = await apply(target.pid, basicUpdate()).then(
        () => "applied",
        (error: unknown) => error,
      );
      await ready;
      // What it is told as depends on how far the new image was when it was looked at.
      if (outcome !== "applied") {
        if (!(outcome instanceof EngineError)) throw outcome;
        assert.ok(["refused", "failed"].includes(outcome.kind), outcome.message);
      }
      expectUntraced(target);
      // It may have been applied to the new image, if that came first.
      if ((await engine.status(target.pid)) !== null) await rollback(target.pid);
      await expectVersion(target, "old");
    }
  });
});

/** An end in the middle may be reported as refused or as failed, never worse. */
function outcomeKind(error: unknown): "refused" | "failed" {
  const kind = error instanceof Error && "kind" in error ? error.kind : "";
  return kind === "failed" ? "failed" : "refused";
}

test("a target that ends in the middle is reported as gone", async () => {
  for (let delay = 0; delay < 40; delay += 8) {
    const { target, outcome } = await withKilledTarget(delay);
    assert.not.ok(exists(target.pid));
    if (outcome !== "applied") {
      await refused(
        Promise.reject(outcome),
        ["TARGET_GONE", "NO_SUCH_PROCESS"],
        outcomeKind(outcome),
      );
    }
  }
});

async function withKilledTarget(
  delay: number,
): Promise<{ target: TargetProcess; outcome: unknown }> {
  const target = await TargetProcess.start(basicProgram());
  const killed = sleep(delay).then(() => target.kill());
  const outcome = await apply(target.pid, basicUpdate()).then(
    () => "applied",
    (error: unknown) => error,
  );
  await killed;
  return { target, outcome };
}

test("a stopped target stays stopped, and is updated when it goes on", async () => {
  await withTarget(basicProgram(), {}, async (target) => {
    target.signal("SIGSTOP");
    await waitForStates(target, "T");
    const outcome = await apply(target.pid, basicUpdate()).then(
      () => "applied",
      (error: unknown) => error,
    );
    await waitForStates(target, "T");
    assert.equal(tracers(target.pid), []);
    target.signal("SIGCONT");
    if (outcome === "applied") {
      await expectVersion(target, "new");
      await rollback(target.pid);
    } else {
      await refused(Promise.reject(outcome), "NO_BORROWABLE_THREAD");
    }
    await expectVersion(target, "old");
  });
});

test("a process whose main thread has ended", async () => {
  await withTarget(buildTarget({ name: "leaderless" }), {}, async (target) => {
    const outcome = await apply(target.pid, basicUpdate()).then(
      () => "applied",
      (error: unknown) => error,
    );
    if (outcome === "applied") {
      await expectVersion(target, "new");
      await rollback(target.pid);
    } else {
      await refused(Promise.reject(outcome), ["NO_SUCH_PROCESS", "TARGET_GONE"]);
    }
    await expectVersion(target, "old");
    expectUntraced(target);
  });
});

async function waitForStates(target: TargetProcess, letter: string): Promise<void> {
  const deadline = Date.now() + 5000;
  while (threadStates(target.pid).some((state) => state !== letter)) {
    if (Date.now() > deadline) {
      throw new Error(`states are ${threadStates(target.pid).join("")}, not ${letter}`);
    }
    await sleep(5);
  }
}

test("stops and continues meant for the target are not lost", async () => {
  await withTarget(basicProgram(), {}, async (target) => {
    for (let round = 0; round < 10; round++) {
      const change = sleep(round * 3).then(() => target.signal("SIGSTOP"));
      const applied = apply(target.pid, basicUpdate()).catch((error: unknown) =>
        refused(Promise.reject(error), "NO_BORROWABLE_THREAD"),
      );
      await Promise.all([change, applied]);
      await waitForStates(target, "T");
      target.signal("SIGCONT");
      if ((await engine.status(target.pid)) !== null) await rollback(target.pid);
      await expectVersion(target, "old");
    }
  });
});

test.run();

// timeout 600s
/**
 * The engine is killed, or stopped, at every one of its numbered fault points.
 * The target must go on, wholly old or wholly new, and be mended by a later one.
 */
import * as assert from "uvu/assert";
import {
  apply,
  engine,
  expectUntraced,
  expectVersion,
  rollback,
  type Version,
  withSession,
} from "../../support/engine_session.js";
import { test } from "../../support/engine_test.js";
import { type OperationSpec, runOperation, type UpdateSpec } from "../../support/operation.js";
import { buildPatch } from "../../support/patches.js";
import { basicUpdate } from "../../support/programs.js";
import { threadStates } from "../../support/proc.js";
import {
  buildTarget,
  sleep,
  type TargetProcess,
  withTarget,
} from "../../support/target_process.js";

const program = buildTarget({ name: "forever" });
const args = ["--threads=6"];
const probes = ["work", "step"];

const spec: UpdateSpec = {
  name: "forever",
  scope: "process",
  patches: [{ name: "forever", object: buildPatch("forever.c"), replacements: ["work", "step"] }],
};

/** Which version all calls reach; fails when some are old and some new. */
async function currentVersion(target: TargetProcess): Promise<Version> {
  const state = await target.freshCounts(80);
  assert.is(state.errors, 0, state.firstError ?? "");
  const version = (state.probes["work"]?.new ?? 0) > 0 ? "new" : "old";
  await expectVersion(target, version, probes);
  return version;
}

/** After an interruption: whole, readable, recoverable, and good for another round. */
async function expectMendable(target: TargetProcess): Promise<void> {
  expectUntraced(target);
  await currentVersion(target);
  await engine.status(target.pid);
  await withSession(target.pid, (session) => session.recover());
  await currentVersion(target);
  const states = (await engine.status(target.pid))?.updates.map((one) => one.state) ?? [];
  assert.not.ok(states.includes("interrupted"), `after recover: ${states.join(" ")}`);
  await rollback(target.pid);
  await expectVersion(target, "old", probes);
}

/** Runs `operation` with each fault point in turn until one run gets through; returns their number. */
async function atEveryPoint(
  operation: (pid: number) => OperationSpec,
  prepare: (target: TargetProcess) => Promise<void>,
): Promise<number> {
  for (let point = 1; point <= 500; point++) {
    const killed = await withTarget(program, { args }, async (target) => {
      await prepare(target);
      const ending = await runOperation(operation(target.pid), { fault: String(point) });
      if (ending.signal === null) {
        assert.is(ending.report?.result, "done");
        return false;
      }
      assert.is(ending.signal, "SIGKILL");
      try {
        await expectMendable(target);
      } catch (error) {
        throw new Error(`killed at fault point ${point}`, { cause: error });
      }
      return true;
    });
    if (!killed) return point - 1;
  }
  throw new Error("there is no end to the fault points");
}

test("killed at every fault point of a first update", async () => {
  const points = await atEveryPoint(
    (pid) => ({ operation: "apply", pids: [pid], update: spec }),
    () => Promise.resolve(),
  );
  assert.ok(points >= 8, `only ${points} fault points`);
});

test("killed at every fault point of a rollback", async () => {
  const points = await atEveryPoint(
    (pid) => ({ operation: "rollback", pids: [pid] }),
    async (target) => {
      const ending = await runOperation({ operation: "apply", pids: [target.pid], update: spec });
      assert.is(ending.report?.result, "done");
    },
  );
  assert.ok(points >= 1, `only ${points} fault points`);
});

test("killed at every fault point of an update on top of another", async () => {
  const points = await atEveryPoint(
    (pid) => ({ operation: "apply", pids: [pid], update: { ...spec, name: "again" } }),
    async (target) => {
      const ending = await runOperation({ operation: "apply", pids: [target.pid], update: spec });
      assert.is(ending.report?.result, "done");
    },
  );
  assert.ok(points >= 3, `only ${points} fault points`);
});

test("stopped at every fault point: the target goes on meanwhile", async () => {
  for (let point = 1; point <= 500; point++) {
    const stopped = await withTarget(program, { args }, async (target) => {
      const request: OperationSpec = { operation: "apply", pids: [target.pid], update: spec };
      const run = runOperation(request, { fault: `${point}:stop`, killAfterMs: 3000 });
      const ended = await Promise.race([run, sleep(1500).then(() => null)]);
      if (ended !== null && ended.signal === null) return false;
      // Whether it is stopped still or was killed by its watchdog: nobody may be held.
      const states = threadStates(target.pid);
      assert.not.ok(states.includes("t"), `point ${point}: threads are ${states.join("")}`);
      await currentVersion(target);
      await run;
      await expectMendable(target);
      return true;
    });
    if (!stopped) {
      assert.ok(point > 8, `only ${point - 1} fault points`);
      return;
    }
  }
  throw new Error("there is no end to the fault points");
});

test("an update after an interrupted one mends it first", async () => {
  for (let point = 1; point <= 60; point += 5) {
    await withTarget(program, { args }, async (target) => {
      const request: OperationSpec = { operation: "apply", pids: [target.pid], update: spec };
      await runOperation(request, { fault: String(point) });
      const again = await runOperation(request);
      if (again.report?.result === "error") throw new Error(again.report.message);
      await expectVersion(target, "new", probes);
      await rollback(target.pid);
      await expectVersion(target, "old", probes);
    });
  }
});

test("a killed engine does not hinder another update", async () => {
  await withTarget(buildTarget({ name: "basic" }), {}, async (target) => {
    const request: OperationSpec = {
      operation: "apply",
      pids: [target.pid],
      update: {
        name: "lost",
        scope: "process",
        patches: [{ name: "basic", object: buildPatch("basic.c"), replacements: ["answer"] }],
      },
    };
    await runOperation(request, { fault: "6" });
    await withSession(target.pid, (session) => session.recover());
    await rollback(target.pid);
    await apply(target.pid, basicUpdate());
    await expectVersion(target, "new");
  });
});

test.run();

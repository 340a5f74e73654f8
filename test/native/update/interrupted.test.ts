// exclusive
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
import {
  type OperationEnding,
  type OperationSpec,
  prepareOperation,
  runOperation,
  type UpdateSpec,
} from "../../support/operation.js";
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

/** Takes back whatever is active. */
async function rollbackAll(target: TargetProcess): Promise<void> {
  for (let round = 0; round < 4; round++) {
    if ((await rollback(target.pid)).result === "skipped") return;
  }
  throw new Error("rollback finds ever more to take back");
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
  await rollbackAll(target);
  await expectVersion(target, "old", probes);
}

/** Every check waits more than it works: some go side by side. */
const sideBySide = 3;
const mostPoints = 500;

/**
 * Tries fault points 1, 2, 3… until an operation gets through before its point
 * is reached; returns the number of points. `attempt` says whether the fault fell.
 */
async function atEveryPoint(attempt: (point: number) => Promise<boolean>): Promise<number> {
  for (let first = 1; first <= mostPoints; first += sideBySide) {
    const points = Array.from({ length: sideBySide }, (_, index) => first + index);
    const fell = await Promise.all(
      points.map(async (point) => {
        try {
          return await attempt(point);
        } catch (error) {
          const why = error instanceof Error ? error.message : String(error);
          throw new Error(`fault point ${point}: ${why}`, { cause: error });
        }
      }),
    );
    const through = fell.indexOf(false);
    if (through >= 0) return first + through - 1;
  }
  throw new Error("there is no end to the fault points");
}

/** A thread did not stop in time: refused, with nothing changed. */
function refusedAsBusy(report: OperationEnding["report"]): boolean {
  return report?.result === "error" && report.code === "CANNOT_STOP";
}

/** Attempts that a busy machine may refuse before that counts as a fault. */
const mostRefusals = 10;

/** Runs an operation again as long as it is refused for a busy machine. */
async function untilAccepted(run: () => Promise<OperationEnding>): Promise<OperationEnding> {
  let ending = await run();
  for (let tries = 0; tries < mostRefusals && refusedAsBusy(ending.report); tries++) {
    ending = await run();
  }
  return ending;
}

/** Kills `operation` at its `point`; false when it got through before. */
async function killedAt(
  point: number,
  operation: (pid: number) => OperationSpec,
  prepare: (target: TargetProcess) => Promise<void> = () => Promise.resolve(),
): Promise<boolean> {
  return await withTarget(program, { args }, async (target) => {
    await prepare(target);
    const ending = await untilAccepted(() =>
      runOperation(operation(target.pid), { fault: String(point) }),
    );
    if (ending.signal === null) {
      if (ending.report?.result === "error") throw new Error(ending.report.message);
      assert.is(ending.report?.result, "done");
      return false;
    }
    assert.is(ending.signal, "SIGKILL");
    await expectMendable(target);
    return true;
  });
}

async function applyFirst(target: TargetProcess): Promise<void> {
  const { report } = await untilAccepted(() =>
    runOperation({ operation: "apply", pids: [target.pid], update: spec }),
  );
  assert.is(report?.result, "done", report?.result === "error" ? report.message : "");
}

test("killed at every fault point of a first update", async () => {
  const points = await atEveryPoint((point) =>
    killedAt(point, (pid) => ({ operation: "apply", pids: [pid], update: spec })),
  );
  assert.ok(points >= 20, `only ${points} fault points`);
});

test("killed at every fault point of a rollback", async () => {
  const points = await atEveryPoint((point) =>
    killedAt(point, (pid) => ({ operation: "rollback", pids: [pid] }), applyFirst),
  );
  assert.ok(points >= 1, `only ${points} fault points`);
});

test("killed at every fault point of an update on top of another", async () => {
  const again = { ...spec, name: "again" };
  const points = await atEveryPoint((point) =>
    killedAt(point, (pid) => ({ operation: "apply", pids: [pid], update: again }), applyFirst),
  );
  assert.ok(points >= 3, `only ${points} fault points`);
});

test("stopped at every fault point: the target goes on meanwhile", async () => {
  const points = await atEveryPoint((point) =>
    withTarget(program, { args }, async (target) => {
      const request: OperationSpec = { operation: "apply", pids: [target.pid], update: spec };
      const operation = await prepareOperation(request, { fault: `${point}:stop` });
      let ending: OperationEnding | null = null;
      const run = operation.run().then((result) => (ending = result));
      // It stops, is killed by its watchdog, or gets through.
      while (ending === null && !threadStates(operation.pid).includes("T")) await sleep(10);
      if (ending !== null && (await run).signal === null) return false;
      await sleep(300);
      // Nobody may be held for longer than the watchdog allows.
      const states = threadStates(target.pid);
      assert.not.ok(states.includes("t"), `threads are ${states.join("")}`);
      await currentVersion(target);
      operation.kill();
      await run;
      await expectMendable(target);
      return true;
    }),
  );
  assert.ok(points >= 20, `only ${points} fault points`);
});

test("an update after an interrupted one mends it first", async () => {
  for (let point = 1; point <= 60; point += 5) {
    await withTarget(program, { args }, async (target) => {
      const request: OperationSpec = { operation: "apply", pids: [target.pid], update: spec };
      await runOperation(request, { fault: String(point) });
      const again = await runOperation(request);
      if (again.report?.result === "error") throw new Error(again.report.message);
      await expectVersion(target, "new", probes);
      await rollbackAll(target);
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
    await rollbackAll(target);
    await apply(target.pid, basicUpdate());
    await expectVersion(target, "new");
  });
});

test.run();

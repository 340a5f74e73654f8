// exclusive
// timeout 900s
/**
 * The engine is killed while data changes, is completed, or changes back. Whatever the point, the program
 * loses no write, and a later engine finishes, completes or takes back.
 */
import * as assert from "uvu/assert";
import {
  engine,
  expectUntraced,
  expectVersion,
  rollback,
  withSession,
} from "../../support/engine_session.js";
import { test } from "../../support/engine_test.js";
import { boxFunctions, boxObject, boxProgram, expectClean } from "../../support/box.js";
import { checkBook, ledgerProgram } from "../../support/ledger.js";
import { runOperation, type OperationSpec, type UpdateSpec } from "../../support/operation.js";
import { buildPatch } from "../../support/patches.js";
import { targetSource } from "../../support/repository.js";
import { withTarget, type TargetProcess } from "../../support/target_process.js";

const spec: UpdateSpec = {
  name: "ledger",
  scope: "process",
  patches: [
    {
      name: "data",
      object: buildPatch(targetSource("data/ledger_v2.c")),
      replacements: ["move", "clerk", "touch"],
      data: "ledger",
    },
  ],
};
const probes = ["move", "touch"];

async function expectWhole(target: TargetProcess): Promise<"old" | "new"> {
  const state = await target.freshCounts(60);
  assert.is(state.errors, 0, state.firstError ?? "");
  const version = (state.probes["move"]?.new ?? 0) > 0 ? "new" : "old";
  await expectVersion(target, version, probes);
  // The new version checks its own book; what it alone writes never comes to the old one.
  if (version === "old") await checkBook(target);
  return version;
}

/** Whole, readable, recoverable; applied and taken back by the next, with no set left over. */
async function expectMendable(target: TargetProcess, point: string): Promise<void> {
  expectUntraced(target);
  await expectWhole(target);
  await engine.status(target.pid);
  await withSession(target.pid, (session) => session.recover());
  const version = await expectWhole(target);
  const [update] = (await engine.status(target.pid))?.updates.slice(-1) ?? [];
  const state = update?.state ?? "rolled-back";
  assert.is(state, version === "new" ? "active" : "rolled-back", point);
  const data = update?.patches[0]?.data?.state ?? "retired";
  assert.is(data, version === "new" ? "complete" : "retired", point);
  if (version === "new") await rollback(target.pid);
  const again = await runOperation({ operation: "apply", pids: [target.pid], update: spec });
  assert.is(again.report?.result, "done", JSON.stringify(again.report));
  await expectVersion(target, "new", probes);
  await rollback(target.pid);
  await expectVersion(target, "old", probes);
  await checkBook(target);
  const sets = (await engine.status(target.pid))?.updates.filter(
    (u) => u.patches[0]?.data !== null,
  );
  assert.ok((sets?.length ?? 0) <= 1, `${sets?.length} sets are left`);
}

/**
 * Kills `operation` at some of its points, spread evenly, until it gets through; the points lie apart by
 * a number that shares no factor with how often things repeat.
 */
async function killedHereAndThere(
  first: number,
  apart: number,
  operation: (pid: number) => OperationSpec,
  prepare: (target: TargetProcess) => Promise<void>,
  args: readonly string[] = [],
): Promise<void> {
  await killedAtPoints(
    first,
    apart,
    ledgerProgram(),
    args,
    operation,
    prepare,
    async (target, point) => {
      if (args.length > 0) await target.ask("leave");
      await expectMendable(target, `fault point ${point}`);
    },
  );
}

async function killedAtPoints(
  first: number,
  apart: number,
  program: string,
  args: readonly string[],
  operation: (pid: number) => OperationSpec,
  prepare: (target: TargetProcess) => Promise<void>,
  mend: (target: TargetProcess, point: number) => Promise<void>,
): Promise<void> {
  let kills = 0;
  for (let point = first; point < 4000; point += apart) {
    const killed = await withTarget(program, { args }, async (target) => {
      await prepare(target);
      const ending = await runOperation(operation(target.pid), { fault: String(point) });
      if (ending.signal === null) {
        if (ending.report?.result === "error") throw new Error(ending.report.message);
        return false;
      }
      await mend(target, point);
      return true;
    });
    if (!killed) break;
    kills += 1;
  }
  assert.ok(kills >= 4, `only ${kills} kills`);
}

async function applied(target: TargetProcess): Promise<void> {
  const { report } = await runOperation({ operation: "apply", pids: [target.pid], update: spec });
  assert.is(report?.result, "done", JSON.stringify(report));
}

test("killed while data begins to change", async () => {
  await killedHereAndThere(
    9,
    23,
    (pid) => ({ operation: "apply", pids: [pid], update: spec }),
    () => Promise.resolve(),
  );
});

test("killed while data begins to change to which a blocked call will write", async () => {
  const box: UpdateSpec = {
    name: "box",
    scope: "process",
    patches: [{ name: "data", object: boxObject(), replacements: boxFunctions, data: "box" }],
  };
  const apply = (pid: number): OperationSpec => ({ operation: "apply", pids: [pid], update: box });
  const woken = (target: TargetProcess): Promise<void> => expectClean(target, "wake");
  await killedAtPoints(7, 53, boxProgram(), ["--waits=read"], apply, woken, async (target) => {
    expectUntraced(target);
    await woken(target);
    await withSession(target.pid, (session) => session.recover());
    await woken(target);
    await rollback(target.pid);
    await woken(target);
  });
});

test("killed while completed data changes back", async () => {
  await killedHereAndThere(2, 17, (pid) => ({ operation: "rollback", pids: [pid] }), applied);
});

test("killed while what coexists is completed", async () => {
  await killedHereAndThere(
    3,
    11,
    (pid) => ({ operation: "complete", name: "ledger", pids: [pid] }),
    async (target) => {
      await applied(target);
      await target.ask("leave");
    },
    ["--stay"],
  );
});

test.run();

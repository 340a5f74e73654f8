/** One update of data on top of another. */
import * as assert from "uvu/assert";
import type { UpdateRequest } from "../../../native/engine.js";
import {
  apply,
  engine,
  expectVersion,
  rollback,
  withSession,
} from "../../support/engine_session.js";
import { test } from "../../support/engine_test.js";
import { checkBook, ledgerItem, ledgerProgram, ledgerUpdate } from "../../support/ledger.js";
import { buildPatch, patch, update } from "../../support/patches.js";
import { targetSource } from "../../support/repository.js";
import { sleep, withTarget, type TargetProcess } from "../../support/target_process.js";

const third = { ...ledgerItem, objects: { kind: "global", new: "ledger_v3" } } as const;

function thirdUpdate(): UpdateRequest {
  const object = buildPatch(targetSource("data/ledger_v3.c"));
  return update("third", [patch("third", object, ["move"], [third])]);
}

async function states(target: TargetProcess): Promise<readonly (string | undefined)[]> {
  return ((await engine.status(target.pid))?.updates ?? [])
    .filter(({ state }) => state !== "rolled-back")
    .map(({ patches }) => patches[0]?.data?.state);
}

test("completed data changes once more, and back step by step", async () => {
  await withTarget(ledgerProgram(), {}, async (target) => {
    await apply(target.pid, ledgerUpdate());
    await expectVersion(target, "new", ["move", "touch"]);
    for (let round = 0; round < 2; round++) {
      await apply(target.pid, thirdUpdate());
      assert.equal(await states(target), ["complete", "complete"]);
      await expectVersion(target, "newer", ["move"]);
      await rollback(target.pid);
      await expectVersion(target, "new", ["move", "touch"]);
    }
    await apply(target.pid, thirdUpdate());
    await rollback(target.pid, { update: "ledger", point: "start" });
    await expectVersion(target, "old", ["move", "touch"]);
    await checkBook(target);
  });
});

test("three versions at once", async () => {
  await withTarget(ledgerProgram(), { args: ["--stay"] }, async (target) => {
    await apply(target.pid, ledgerUpdate());
    await apply(target.pid, thirdUpdate());
    // What the thread in old code writes must come to the newest version.
    assert.equal(await states(target), ["coexisting", "coexisting"]);
    await expectVersion(target, "newer", ["move"]);
    await sleep(200);
    await checkBook(target);
    await rollback(target.pid, { update: "ledger", point: "start" });
    await expectVersion(target, "old", ["move", "touch"]);
    await checkBook(target);
  });
});

test("three versions at once, completed from below", async () => {
  await withTarget(ledgerProgram(), { args: ["--stay"] }, async (target) => {
    await apply(target.pid, ledgerUpdate());
    await apply(target.pid, thirdUpdate());
    await target.ask("leave");
    await sleep(20);
    await withSession(target.pid, (session) => session.complete("third"));
    assert.equal(await states(target), ["complete", "complete"]);
    await expectVersion(target, "newer", ["move"]);
    await rollback(target.pid, { update: "ledger", point: "start" });
    await expectVersion(target, "old", ["move", "touch"]);
    await checkBook(target);
  });
});

test.run();

/** Data of a process and its children, born before and while two versions are in use. */
import * as assert from "uvu/assert";
import {
  apply,
  engine,
  expectVersion,
  rollback,
  withSession,
} from "../../support/engine_session.js";
import { test } from "../../support/engine_test.js";
import {
  checkBook,
  ledgerItem,
  ledgerProgram,
  ledgerUpdate,
  sessionItem,
} from "../../support/ledger.js";
import { sleep, withTarget, type TargetProcess } from "../../support/target_process.js";

const probes = ["move", "touch"];
const treeUpdate = () => ledgerUpdate("ledger", [ledgerItem, sessionItem], "tree");

async function birth(target: TargetProcess): Promise<number> {
  return Number((await target.ask("birth"))["child"]);
}

async function dataState(pid: number): Promise<string | undefined> {
  return (await engine.status(pid))?.updates.at(-1)?.patches[0]?.data?.state;
}

test("children carry both versions on, each in memory of its own", async () => {
  await withTarget(ledgerProgram(), { args: ["--stay", "--movers=2"] }, async (target) => {
    const early = await birth(target);
    await apply(target.pid, treeUpdate());
    await expectVersion(target, "new", probes);
    // Nobody is inside old code there.
    assert.is(await dataState(early), "complete");
    assert.is(await dataState(target.pid), "coexisting");
    const late = await birth(target);
    assert.is(await dataState(late), "coexisting");
    await expectVersion(target, "new", probes);
    await sleep(200);
    await checkBook(target);
    await withSession(target.pid, (session) => session.complete("ledger"));
    assert.is(await dataState(late), "complete");
    assert.is(await dataState(target.pid), "coexisting");
    await expectVersion(target, "new", probes);
    await rollback(target.pid);
    for (const pid of [target.pid, early, late]) assert.is(await dataState(pid), "retired");
    await expectVersion(target, "old", probes);
    await checkBook(target);
  });
});

test("a child is born every round while updates and rollbacks alternate", async () => {
  await withTarget(ledgerProgram(), { args: ["--stay", "--movers=2"] }, async (target) => {
    for (let round = 0; round < 4; round++) {
      await apply(target.pid, treeUpdate());
      await birth(target);
      await expectVersion(target, "new", probes);
      await rollback(target.pid);
      await expectVersion(target, "old", probes);
      await checkBook(target);
    }
  });
});

test.run();

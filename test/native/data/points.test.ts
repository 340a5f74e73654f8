/** Rollback points between patches of which one changes data, and updates that are applied in steps. */
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
import { checkBook, ledgerItem, ledgerProgram, sessionItem } from "../../support/ledger.js";
import { buildPatch, patch, update } from "../../support/patches.js";
import { targetSource } from "../../support/repository.js";
import { withTarget, type TargetProcess } from "../../support/target_process.js";

/** First what belongs to the global, then what belongs to the list. */
function inTwo(): UpdateRequest {
  const object = buildPatch(targetSource("data/ledger_v2.c"));
  const patches = [
    patch("book", object, ["move", "clerk"], [ledgerItem]),
    patch("list", object, ["touch"], [sessionItem]),
  ];
  return update("ledger", patches, { points: [{ name: "middle", position: 1 }] });
}

async function states(target: TargetProcess): Promise<readonly (string | undefined)[]> {
  const [only] = (await engine.status(target.pid))?.updates ?? [];
  return only?.patches.map(({ data }) => data?.state) ?? [];
}

test("back to a point between two changes of data, and forwards again", async () => {
  await withTarget(ledgerProgram(), {}, async (target) => {
    for (let round = 0; round < 2; round++) {
      await apply(target.pid, inTwo());
      assert.equal(await states(target), ["complete", "complete"]);
      await expectVersion(target, "new", ["move", "touch"]);
      await rollback(target.pid, { update: "ledger", point: "middle" });
      assert.equal(await states(target), ["complete", "retired"]);
      await expectVersion(target, "new", ["move"]);
      await expectVersion(target, "old", ["touch"]);
    }
    await rollback(target.pid);
    await expectVersion(target, "old", ["move", "touch"]);
    await checkBook(target);
  });
});

test("each step changes the data of its patches", async () => {
  await withTarget(ledgerProgram(), {}, async (target) => {
    await withSession(target.pid, async (session) => {
      await session.apply(inTwo(), { upTo: 1, more: true, repairs: [] });
      await expectVersion(target, "new", ["move"]);
      await expectVersion(target, "old", ["touch"]);
      await session.apply(inTwo(), { upTo: 2, more: false, repairs: [] });
    });
    await expectVersion(target, "new", ["move", "touch"]);
    await rollback(target.pid);
    await expectVersion(target, "old", ["move", "touch"]);
    await checkBook(target);
  });
});

test.run();

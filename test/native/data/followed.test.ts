/** Objects that old and new code create and destroy while both versions are in use. */
import * as assert from "uvu/assert";
import type { DataRequest, UpdateRequest } from "../../../native/engine.js";
import { engine, expectVersion, rollback, withSession } from "../../support/engine_session.js";
import { test } from "../../support/engine_test.js";
import { buildPatch, patch, update } from "../../support/patches.js";
import { targetSource } from "../../support/repository.js";
import {
  buildTarget,
  sleep,
  withTarget,
  type TargetProcess,
} from "../../support/target_process.js";

const program = buildTarget({ name: "visits", sources: ["data/visits.c"] });
/** Bytes of struct guest and struct guest_v2; that sizes are told by types is tested elsewhere. */
const sizes = { old: 32, new: 72 };

const items: readonly DataRequest[] = [
  {
    name: "guest",
    objects: {
      kind: "each",
      each: { name: "guests_each" },
      size: () => sizes,
      onNew: { name: "guest_create" },
      onFree: { name: "guest_destroy" },
    },
    forward: "guest_up",
    backward: "guest_down",
  },
  {
    name: "guests",
    objects: { kind: "global", new: "guests_v2" },
    forward: "guests_up",
    backward: "guests_down",
  },
];

function visitsUpdate(): UpdateRequest {
  const object = buildPatch(targetSource("data/visits_v2.c"));
  const functions = ["host", "party"];
  return update("visits", [patch("data", object, functions, items)]);
}

async function expectClean(target: TargetProcess, version: "old" | "new"): Promise<void> {
  const { errors, firstError } = await target.state();
  assert.is(errors, 0, firstError ?? "");
  await expectVersion(target, version, ["host"]);
}

async function dataState(target: TargetProcess): Promise<string | undefined> {
  return (await engine.status(target.pid))?.updates.at(-1)?.patches[0]?.data?.state;
}

test("objects come and go in old and new code at once", async () => {
  await withTarget(program, { args: ["--stay"] }, async (target) => {
    await sleep(100);
    await withSession(target.pid, (session) => session.apply(visitsUpdate()));
    assert.is(await dataState(target), "coexisting");
    await expectClean(target, "new");
    await sleep(600);
    await expectClean(target, "new");
    await target.ask("leave");
    await sleep(30);
    await withSession(target.pid, (session) => session.complete("visits"));
    assert.is(await dataState(target), "complete");
    await sleep(200);
    await expectClean(target, "new");
    await rollback(target.pid);
    await expectClean(target, "old");
    await sleep(200);
    await expectClean(target, "old");
  });
});

test("again and again, with nobody in old code", async () => {
  await withTarget(program, {}, async (target) => {
    for (let round = 0; round < 5; round++) {
      await withSession(target.pid, (session) => session.apply(visitsUpdate()));
      assert.is(await dataState(target), "complete");
      await expectClean(target, "new");
      await rollback(target.pid);
      assert.is(await dataState(target), "retired");
      await expectClean(target, "old");
    }
  });
});

test("what is rolled back while it coexists leaves each object where it was", async () => {
  await withTarget(program, { args: ["--stay"] }, async (target) => {
    for (let round = 0; round < 3; round++) {
      await withSession(target.pid, (session) => session.apply(visitsUpdate()));
      await expectClean(target, "new");
      await rollback(target.pid);
      await expectClean(target, "old");
    }
  });
});

test.run();

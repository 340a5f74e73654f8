/** The life of an update that changes data, on a program whose threads write to it all the time. */
import * as assert from "uvu/assert";
import { address } from "../../../native/address.js";
import { TargetProcess as Target } from "../../../native/session/target_process.js";
import {
  engine,
  expectUntraced,
  expectVersion,
  withSession,
} from "../../support/engine_session.js";
import { test } from "../../support/engine_test.js";
import { checkBook, ledgerProgram, ledgerUpdate } from "../../support/ledger.js";
import { sleep, withTarget, type TargetProcess } from "../../support/target_process.js";

const probes = ["move", "touch"];
/** Of `note` in struct ledger. */
const noteOffset = 20n;

/** Names of the events of data, in order. */
async function eventsOf(
  target: TargetProcess,
  work: "apply" | "rollback",
): Promise<readonly string[]> {
  return withSession(target.pid, async (session, events) => {
    const result =
      work === "apply" ? await session.apply(ledgerUpdate()) : await session.rollback();
    assert.is(result.result, "done");
    return events
      .map(({ event }) => event)
      .filter((event) => ["coexisting", "completed", "retired"].includes(event));
  });
}

test("data changes, is completed at once, and changes back, twice", async () => {
  await withTarget(ledgerProgram(), {}, async (target) => {
    await expectVersion(target, "old", probes);
    for (let round = 0; round < 2; round++) {
      assert.equal(await eventsOf(target, "apply"), ["coexisting", "completed"]);
      await expectVersion(target, "new", probes);
      assert.is((await engine.status(target.pid))?.updates.at(-1)?.state, "active");
      assert.equal(await eventsOf(target, "rollback"), ["retired"]);
      await expectVersion(target, "old", probes);
      await checkBook(target);
    }
    expectUntraced(target);
  });
});

test("a thread that stays in old code keeps both versions coherent; what it leaves is completed", async () => {
  await withTarget(ledgerProgram(), { args: ["--stay"] }, async (target) => {
    assert.equal(await eventsOf(target, "apply"), ["coexisting"]);
    await expectVersion(target, "new", probes);
    const before = await checkBook(target);
    await sleep(300);
    assert.ok((await checkBook(target)) > before + 100, "nobody writes");
    await withSession(target.pid, async (session) => {
      const holds = await session.complete("ledger");
      assert.equal([...new Set(holds.map((h) => h.function))], ["clerk"]);
    });
    await target.ask("leave");
    await sleep(50);
    await withSession(target.pid, async (session, events) => {
      assert.equal(await session.complete("ledger"), []);
      assert.ok(events.some(({ event }) => event === "completed"));
    });
    await expectVersion(target, "new", probes);
    assert.equal(await eventsOf(target, "rollback"), ["retired"]);
    await expectVersion(target, "old", probes);
    await checkBook(target);
  });
});

test("what coexists is rolled back at once", async () => {
  await withTarget(ledgerProgram(), { args: ["--stay"] }, async (target) => {
    assert.equal(await eventsOf(target, "apply"), ["coexisting"]);
    await expectVersion(target, "new", probes);
    assert.equal(await eventsOf(target, "rollback"), ["retired"]);
    await expectVersion(target, "old", probes);
    await checkBook(target);
  });
});

test("what is set from outside while both versions are in use comes to both", async () => {
  await withTarget(ledgerProgram(), { args: ["--stay"] }, async (target) => {
    await eventsOf(target, "apply");
    const item = Target.open(target.pid, new Map())
      .record()
      .updates[0]?.patches[0]?.data?.items.find(({ name }) => name === "ledger")?.global;
    if (item === null || item === undefined) throw new Error("the record tells of no ledger");
    await withSession(target.pid, async (session) => {
      const look = await session.inspect(target.pid);
      const at = address(item.old + noteOffset);
      const first = Buffer.from("first\0");
      const change = { address: at, bytes: Buffer.from("other\0"), expected: first };
      assert.is((await look.writeTogether([change])).written, true);
      assert.is((await look.writeTogether([change])).written, false, "it held something else");
      // The new version begins with it.
      const note = Buffer.from(look.readSome(address(item.new), 6)).toString();
      assert.is(note, "other\0");
      assert.is((await target.ask("book"))["note"], "other");
      const back = { address: address(item.new), bytes: first };
      await look.writeTogether([back]);
    });
    await checkBook(target);
    await eventsOf(target, "rollback");
    await checkBook(target);
  });
});

test.run();

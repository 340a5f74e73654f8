/** std/counters on a server whose counters are made to go wrong. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { assertCompleted, assertQuiet, changesOf, warningsOf, withPatient } from "./recipe_run.js";

const within = `import "std/counters" keep_within(credits, 0, 100)`;
const recount = `import "std/counters" recount(num_children, children().length, 200ms)`;
const freeSlots = `import "std/counters" free_slots(slots, owner, 100ms)`;

test("keep_within puts a counter back, and leaves a sane one alone", async () => {
  await withPatient("counters", async ({ target, run }) => {
    for (const sane of [0, 50, 100]) {
      await target.ask(`credits ${sane}`);
      assertQuiet(await run(within));
      assert.is((await target.ask("look"))["credits"], sane);
    }
    for (const [wild, repaired] of [
      [-7, 0],
      [1_000_000, 100],
    ]) {
      await target.ask(`credits ${wild}`);
      const done = await run(within);
      assertCompleted(done);
      assert.equal(changesOf(done), [`counter: ${wild} -> ${repaired}`]);
      assert.is(warningsOf(done).length, 1);
      assert.is((await target.ask("look"))["credits"], repaired);
    }
  });
});

test("recount takes away children that were never counted down", async () => {
  await withPatient("counters", async ({ target, run }) => {
    assertQuiet(await run(recount));
    await target.ask("spawn 6");
    await target.ask("reap 2");
    assertQuiet(await run(recount));
    assert.is((await target.ask("look"))["children"], 4);
    await target.ask("spawn 4");
    const lost = await target.ask("lose 3");
    assert.is(lost["accepts"], false);
    const done = await run(recount);
    assertCompleted(done);
    assert.equal(changesOf(done), ["counter: 8 -> 5"]);
    assert.equal(warningsOf(done), ["a counter differed from what it counts"]);
    const after = await target.ask("look");
    assert.is(after["children"], after["living"]);
  });
});

test("free_slots frees those whose children have ended, so that others are accepted", async () => {
  await withPatient("counters", async ({ target, run }) => {
    await target.ask("spawn 8");
    assertQuiet(await run(freeSlots));
    assert.is((await target.ask("lose 3"))["taken"], 8);
    const done = await run(`${freeSlots} recount(num_children, children().length, 200ms)`);
    assertCompleted(done);
    assert.is(warningsOf(done).length, 4);
    assert.is(changesOf(done).length, 4);
    const after = await target.ask("look");
    assert.is(after["taken"], 5);
    assert.is(after["accepts"], true);
    // The program's own steps go on from there.
    const full = await target.ask("spawn 9");
    assert.is(full["children"], 8);
    assert.is(full["living"], 8);
  });
});

test("has_child knows children from other processes", async () => {
  await withPatient("counters", async ({ target, run }) => {
    await target.ask("spawn 1");
    const asked = `import "std/counters" print has_child(slots[0].owner), has_child(1)`;
    const done = await run(asked);
    assertCompleted(done);
    assert.equal(
      done.prints.map(({ values }) => values.map(({ text }) => text)),
      [["true", "false"]],
    );
  });
});

test.run();

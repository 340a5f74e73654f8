// timeout 240s
/** Taints, their recovery, and rollback points, on a live process: what the program itself sees. */
import * as assert from "uvu/assert";
import { test } from "../support/engine_test.js";
import { buildPatch } from "../support/patches.js";
import type { JsonRun } from "./command.js";
import { judgeVersion, withState, type LiveState } from "./live_state.js";

/** `judge` to its second version by `one`, to its third by `two`; what else the update says. */
function update(more: string): string {
  return `update newer {
    target { exe "state" }
    patch one from "${buildPatch("state.c")}" { replace judge }
    patch two from "${buildPatch("state.c", ["-DSECOND"])}" after one { replace judge with judge_third }
    rollback point middle after one
    ${more}
  }\n`;
}

/** `NAME when: STATE` of every look at a taint. */
function looks(run: JsonRun): readonly string[] {
  return run.lines.flatMap((line) =>
    line.event === "taint" ? [`${line.name} ${line.when}: ${line.state}`] : [],
  );
}

async function numberOf(state: LiveState): Promise<unknown> {
  return (await state.show())["plain_number"];
}

const rollback = (state: LiveState, ...more: string[]): Promise<JsonRun> =>
  state.place.json("rollback", "--pid", String(state.pid), ...more);

test("a check by an expression: clean, repaired, put back by a rollback", () =>
  withState(async (state) => {
    const script = update(`taint number before one {
      check plain_number >= 0 && plain_number <= 100
      recover { set plain_number = 100 }
    }`);
    const clean = await state.run(script);
    assert.is(clean.done.outcome, "applied", clean.finished.stderr);
    assert.equal(looks(clean), ["number before one: clean"]);
    assert.is((await rollback(state)).done.outcome, "rolled-back");

    await state.prints("set plain_number = 4711");
    const repaired = await state.run(script);
    assert.is(repaired.done.outcome, "applied", repaired.finished.stderr);
    assert.equal(looks(repaired), ["number before one: tainted", "number before one: repaired"]);
    assert.is(await numberOf(state), 100);
    assert.is(await judgeVersion(state), "third");
    const writes = (await state.place.journal()).filter((entry) => entry.record === "write");
    assert.ok(
      writes.some(
        (entry) =>
          entry.record === "write" && entry.before === "67120000" && entry.after === "64000000",
      ),
    );

    // To the point above the repair's patch: the repair stays; to its start: it goes.
    assert.is((await rollback(state, "--to", "newer.middle")).done.outcome, "rolled-back");
    assert.is(await numberOf(state), 100);
    assert.is((await rollback(state, "--to", "newer.start")).done.outcome, "rolled-back");
    assert.is(await numberOf(state), 4711);
    assert.is(await judgeVersion(state), "old");
  }));

test("a repair that the program has changed since is left by a rollback", () =>
  withState(async (state) => {
    await state.prints("set plain_number = 4711");
    const script = update(`taint number after one {
      check plain_number <= 100
      recover { set plain_number = 100 }
    }`);
    assert.is((await state.run(script)).done.outcome, "applied");
    await state.prints("set plain_number = 33");
    const back = await rollback(state);
    assert.is(await numberOf(state), 33);
    assert.is(back.done.outcome, "rolled-back", back.finished.stderr);
    assert.match(back.finished.stdout, "number");
  }));

test("a check by a C function of the patch", () =>
  withState(async (state) => {
    const script = update(`taint number always {
      check call number_is_sane()
      recover { set plain_number = 50 }
    }`);
    await state.prints("set plain_number = -5");
    const run = await state.run(script);
    assert.is(run.done.outcome, "applied", run.finished.stderr);
    assert.equal(looks(run), [
      "number always: tainted",
      "number always: repaired",
      "number always: clean",
    ]);
    assert.is(await numberOf(state), 50);
    await rollback(state);
    assert.is(await numberOf(state), -5);
  }));

test("beyond repair: otherwise fail, otherwise warn, and no otherwise", () =>
  withState(async (state) => {
    const taint = (otherwise: string): string => `taint number before two {
      check plain_number == 3
      recover { set tiny = 1 set plain_number = 2 }
      ${otherwise}
    }`;
    for (const otherwise of ["", 'otherwise fail "beyond"']) {
      const run = await state.run(update(taint(otherwise)));
      assert.is(run.done.outcome, "failed", run.finished.stderr);
      assert.is(run.diagnostics[0]?.code, "tainted");
      assert.match(
        run.diagnostics[0]?.message ?? "",
        otherwise === "" ? "does not hold" : "beyond",
      );
      const shown = await state.show();
      assert.equal([shown["plain_number"], shown["tiny"]], [10, 5]);
      assert.is(await judgeVersion(state), "old");
    }
    const warned = await state.run(update(taint('otherwise warn "odd"')));
    assert.is(warned.done.outcome, "applied", warned.finished.stderr);
    assert.equal(
      warned.diagnostics.map(({ severity, message }) => [severity, message]),
      [["warning", "odd"]],
    );
    assert.is(await judgeVersion(state), "third");
    assert.is(await numberOf(state), 2);
    await rollback(state);
    const shown = await state.show();
    assert.equal([shown["plain_number"], shown["tiny"]], [10, 5]);
  }));

test("a recovery that fails by itself puts everything back", () =>
  withState(async (state) => {
    const run = await state.run(
      update(`taint number after two {
        check plain_number == 3
        recover { set plain_number = 3 set tiny = 2 print nothing->value }
      }`),
    );
    assert.is(run.done.outcome, "failed", run.finished.stderr);
    assert.is(run.diagnostics[0]?.code, "null-pointer");
    assert.is(await judgeVersion(state), "old");
    const shown = await state.show();
    assert.equal([shown["plain_number"], shown["tiny"]], [10, 5]);
  }));

for (const [onFailure, version, number] of [
  ["", "old", 10],
  ["on failure rollback to start", "old", 10],
  ["on failure rollback to middle", "new", 3],
  ["on failure keep", "third", 3],
] as const) {
  test(`a taint that fails in the end: ${onFailure || "the default"}`, () =>
    withState(async (state) => {
      const run = await state.run(
        update(`
          taint number before one { check plain_number == 3 recover { set plain_number = 3 } }
          taint small after two { check small == 3 recover { set small = 4 } }
          ${onFailure}`),
      );
      assert.is(run.done.outcome, "failed", run.finished.stderr);
      assert.is(run.code, 3);
      assert.is(await judgeVersion(state), version);
      const shown = await state.show();
      assert.equal([shown["plain_number"], shown["small"]], [number, 6]);
      // Nothing is left that would need recovery.
      assert.is(
        (await state.place.json("recover", "--pid", String(state.pid))).done.outcome,
        "skipped",
      );
      await rollback(state);
      assert.is(await judgeVersion(state), "old");
      assert.is(await numberOf(state), 10);
    }));
}

test("recipes repair, and a process that is given twice the update is not looked at again", () =>
  withState(async (state) => {
    const script = `recipe clamp(place, most) { if (place > most) { set place = most } }
      ${update(`taint limits always {
        check conf.limits[2].most <= 250
        recover { clamp(conf.limits[2].most, 250) }
      }`)}`;
    const run = await state.run(script);
    assert.is(run.done.outcome, "applied", run.finished.stderr);
    assert.equal((await state.show())["limits"], [1, 20, 250]);
    const again = await state.run(script);
    assert.is(again.done.outcome, "skipped");
    assert.equal(looks(again), []);
  }));

test.run();

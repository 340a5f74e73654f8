// timeout 240s
/** Scripts that fail or are stopped take back what they did; if they cannot, they say where. */
import * as assert from "uvu/assert";
import { test } from "../support/engine_test.js";
import { printed, withState } from "./live_state.js";

test("sleep, wait until, assert, warn and fail", () =>
  withState(async (state) => {
    const lines = await state.prints(`
      let began = now()
      sleep 50ms
      print now() - began >= 50ms
      let before = beats
      wait until beats > before + 20 within 5s
      set asked = 1
      wait until answered == 1 within 5s
      print answered
      assert answered == asked, "an answer"
      assert answered
      warn "worth a look"
    `);
    assert.equal(lines, ["1", "1"]);
    const warned = await state.run('warn "worth a look"\nprint 1');
    assert.equal(warned.places, ["script-warning@1:1"]);
    assert.is(warned.diagnostics[0]?.severity, "warning");
    assert.is(warned.done.outcome, "completed");
    const late = await state.fails(
      "set plain_number = 3\nwait until nothing != NULL within 100ms",
      "wait-ran-out@2:12",
    );
    assert.match(late.diagnostics[0]?.message ?? "", "within 100ms");
    assert.is(late.done.outcome, "failed");
    assert.is(late.done.state, "unchanged");
    const asserted = await state.fails(
      'set tiny = 1 assert tiny == 2, "tiny is odd"',
      "assertion-failed@1:21",
    );
    assert.match(asserted.diagnostics[0]?.message ?? "", "tiny is odd");
    const failed = await state.fails('set tiny = 1 fail "enough"', "script-failed@1:14");
    assert.is(failed.diagnostics[0]?.message, "enough");
  }));

test("what was set is put back newest first", () =>
  withState(async (state) => {
    const failed = await state.fails(
      `set plain_number = 20
      set conf.flags = 7
      set plain_number = 30
      set conf.name = "other"
      set conf.level = 3
      set head->value = 1
      fail "no"`,
      "script-failed@7:7",
    );
    assert.equal(
      failed.events("put_back").map((line) => (line.event === "put_back" ? line.place : "")),
      ["head->value", "conf.level", "conf.name", "plain_number", "conf.flags", "plain_number"],
    );
    const journal = await state.place.journal();
    const undone = journal.filter((entry) => entry.record === "write" && entry.why === "undo");
    assert.is(undone.length, 6);
  }));

test("what the program has changed since is left alone: inconsistent, with the place", () =>
  withState(
    async (state) => {
      const run = await state.run(`
        set plain_number = 20
        set contested = 100
        wait until contested == 1000 within 5s
        set tiny = 1
        fail "no"
      `);
      assert.is(run.code, 4, run.finished.stderr);
      assert.is(run.done.outcome, "inconsistent");
      assert.match(
        run.done.state ?? "",
        new RegExp(`^contested \\(0x[0-9a-f]+\\) of pid ${state.pid}$`),
      );
      assert.match(run.done.warnings?.join() ?? "", "contested at 0x");
      assert.match(run.done.warnings?.join() ?? "", "it holds e8 03 00 00 now, not 64 00 00 00");
      const shown = await state.show();
      assert.equal([shown["plain_number"], shown["contested"], shown["tiny"]], [10, 1000, 5]);
    },
    { args: ["--meddle"] },
  ));

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  test(`${signal} in the middle puts things back`, () =>
    withState(async (state) => {
      const before = await state.show();
      const run = state.start(`
        set plain_number = 20
        set conf.name = "other"
        print "set"
        sleep 20s
        set plain_number = 30
      `);
      await run.saw('"set"');
      assert.is((await state.show())["plain_number"], 20);
      run.child.kill(signal);
      const { code, stdout } = await run.finished;
      assert.is(code, 3, stdout);
      assert.match(stdout, `stopped by ${signal}`);
      assert.equal(await state.show(), before);
    }));
}

test("a busy loop and a wait are stopped by a signal, too", () =>
  withState(async (state) => {
    for (const body of ["while (true) { set tiny = 4 }", "wait until false within 20s"]) {
      const run = state.start(`set plain_number = 20 print "set" ${body}`);
      await run.saw('"set"');
      run.child.kill("SIGINT");
      const { code, stdout } = await run.finished;
      assert.is(code, 3, stdout);
      const shown = await state.show();
      assert.equal([shown["plain_number"], shown["tiny"]], [10, 5], body);
    }
  }));

test("several processes: statements for each in turn, and all are put back", () =>
  withState((one) =>
    withState(async (two) => {
      const pids = [one.pid, two.pid];
      const run = await one.place.run(
        pids,
        `
        let mine = plain_number
        print mine
        set plain_number = mine + 1
        print plain_number
      `,
      );
      assert.is(run.code, 0, run.finished.stderr);
      assert.equal(printed(run), ["10", "10", "11", "11"]);
      assert.equal(
        run.prints.map(({ pid }) => pid),
        [...pids, ...pids],
      );
      assert.equal(run.done.pids, pids);
      assert.is((await one.show())["plain_number"], 11);
      assert.is((await two.show())["plain_number"], 11);

      await two.prints("set tiny = 9");
      const failed = await one.place.run(
        pids,
        `
        set plain_number = 50
        set small = 1
        assert tiny == 5
      `,
      );
      assert.is(failed.code, 3, failed.finished.stderr);
      assert.match(failed.diagnostics[0]?.message ?? "", `pid ${two.pid}`);
      for (const each of [one, two]) {
        const shown = await each.show();
        assert.equal([shown["plain_number"], shown["small"]], [11, 6]);
      }
    }),
  ));

test("a process that ends in the middle is an error, and the others are put back", () =>
  withState(async (one) => {
    await withState(async (two) => {
      const script = one.place.file(
        "s.polus",
        'set plain_number = 50 print "set" sleep 1s print plain_number',
      );
      const run = one.place.start([
        "run",
        script,
        "--json",
        "--pid",
        String(one.pid),
        "--pid",
        String(two.pid),
      ]);
      await run.saw('"set"');
      await two.target.kill();
      const { code, stdout } = await run.finished;
      assert.is(code, 3, stdout);
      assert.is((await one.show())["plain_number"], 10);
    }).catch((error: unknown) => {
      // `two` cannot be asked for its verdict.
      if (!(error instanceof Error && /ended \(SIGKILL\)/.test(error.message))) throw error;
    });
  }));

test.run();

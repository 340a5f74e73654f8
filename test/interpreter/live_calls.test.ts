// timeout 240s
/** Functions of the target and of patches, recipes, imports, constants, and updates in statements. */
import * as assert from "uvu/assert";
import { test } from "../support/engine_test.js";
import { buildPatch } from "../support/patches.js";
import { stateProgram } from "../support/programs.js";
import { stripped } from "../support/toolchain.js";
import { statusLines } from "./command.js";
import { judgeVersion, printed, withState } from "./live_state.js";

/** An update of `judge`; its second patch brings the third version. */
function update(more = ""): string {
  return `update newer {
    target { exe "state" }
    patch one from "${buildPatch("state.c")}" { replace judge }
    patch two from "${buildPatch("state.c", ["-DSECOND"])}" after one { replace judge with judge_third }
    rollback point middle after one
    ${more}
  }\n`;
}

test("call runs functions of the target, by their prototypes", () =>
  withState(async (state) => {
    const lines = await state.prints(`
      print call add(40, 2), call halve(5), call count_calls()
      let before = call set_plain_number(77)
      print before, plain_number
      call count_calls()
      print count_calls::calls
      print call operation(1, 2), call add(call add(1, 2), -4)
      if (call add(1, -1) == 0) { print "none" }
      print call strlen("four"), call greet() == "hello"
    `);
    assert.equal(lines, ["42 2.5 4", "10 77", "5", "3 -1", "none", "4 1"]);
    assert.is((await state.show())["plain_number"], 77);
  }));

test("a call that crashes, loops or cannot be made is an error, and the target lives on", () =>
  withState(async (state) => {
    const crashed = await state.fails("set tiny = 1\nprint call crash()", "call-failed@2:7");
    assert.match(crashed.diagnostics[0]?.message ?? "", /SIGSEGV/);
    assert.match(
      crashed.done.warnings?.join() ?? "",
      "called functions did is not taken back: `crash`",
    );
    const looped = await state.fails("call loop()", "call-failed@1:1");
    assert.match(looped.diagnostics[0]?.message ?? "", /1 ?s|1000 ms|time/);
    await state.fails("call no_operation(1, 2)", "null-pointer@1:6");
    await state.fails("call add(1)", "wrong-argument@1:1");
    await state.fails('call add("text", 1)', "wrong-argument@1:10");
    const unknown = await state.fails("call ad(1, 2)", "unknown-name@1:6");
    assert.match(unknown.diagnostics[0]?.suggestion ?? "", "add");
    assert.is(unknown.code, 2);
    await state.fails("call plain_number(1)", "wrong-operand@1:6");
  }));

test("a failing script says that calls stay", () =>
  withState(async (state) => {
    const run = await state.run('set tiny = 1 call set_plain_number(55) fail "x"');
    assert.is(run.done.outcome, "failed");
    assert.match(run.done.warnings?.join() ?? "", "not taken back: `set_plain_number`");
    const shown = await state.show();
    assert.equal([shown["tiny"], shown["plain_number"]], [5, 55]);
  }));

test("recipes take expressions and return values; imports and constants", () =>
  withState(async (state) => {
    state.place.file(
      "mine.polus",
      `const most = 50
      recipe clamp(place, limit) { if (place > limit) { set place = limit } return place }
      recipe bump(place) { set place = place + most }
      recipe sum(first) {
        let total = 0
        for node in list(first, next) { set total = total + node->value }
        return total
      }
      recipe factorial(n) { if (n <= 1) { return 1 } return n * factorial(n - 1) }`,
    );
    const lines = await state.prints(`
      import "mine.polus"
      const limit = 15
      let total = 100
      bump(plain_number)
      print plain_number, clamp(conf.limits[1].most, limit), clamp(total, limit), total
      print sum(head) + sum(ring), factorial(10), limit * 2
      recipe both(a, b) { bump(a) bump(b) }
      both(tiny, conf.limits[0].most)
      print tiny, conf.limits[0].most
    `);
    assert.equal(lines, ["60 15 15 15", "120 3628800 30", "55 '7' 51"]);
    const shown = await state.show();
    assert.equal([shown["plain_number"], shown["limits"], shown["tiny"]], [60, [51, 15, 300], 55]);
    const script = 'const limit = 15 const name = "a" print limit, name, within const within = 2s';
    const others = await state.prints(
      script,
      "--var",
      "limit=16",
      "--var",
      'name="b"',
      "--var",
      "within=3s",
    );
    assert.equal(others, ["16 b 3s"]);
    const unknown = await state.run(script, "--var", "limt=16");
    assert.is(unknown.code, 1);
  }));

test("apply and rollback to a point, between statements", () =>
  withState(async (state) => {
    assert.is(await judgeVersion(state), "old");
    const run = await state.run(`${update()}
      print "before", plain_number
      apply newer
      print call patched_sum(1, 2)
      set plain_number = 12
    `);
    assert.is(run.code, 0, run.finished.stderr);
    assert.is(run.done.outcome, "applied");
    assert.equal(printed(run), ["before 10", "1003"]);
    assert.is(await judgeVersion(state), "third");
    const back = await state.run(
      `${update()} if (plain_number == 12) { rollback to newer.middle } else { apply newer }`,
    );
    assert.is(back.code, 0, back.finished.stderr);
    assert.is(back.done.outcome, "rolled-back");
    assert.is(await judgeVersion(state), "new");
    const status = statusLines(
      await state.place.polus("status", "--pid", String(state.pid), "--json"),
    );
    assert.equal(
      status[0]?.updates.map(({ name, points }) => [name, points]),
      [["newer", ["start", "middle"]]],
    );
    const text = await state.place.polus(
      "rollback",
      "--pid",
      String(state.pid),
      "--to",
      "newer.start",
    );
    assert.is(text.code, 0);
    // Which processes it concerns is always said.
    assert.match(text.stderr, String(state.pid));
    assert.is(await judgeVersion(state), "old");
  }));

test("a failing script undoes writes and updates newest first, as on failure says", () =>
  withState(async (state) => {
    const script = (onFailure: string): string => `${update(onFailure)}
      set plain_number = 11
      apply newer
      set plain_number = 12
      fail "no"
    `;
    for (const [onFailure, left] of [
      ["", "old"],
      ["on failure rollback to start", "old"],
      ["on failure rollback to middle", "new"],
      ["on failure keep", "third"],
    ] as const) {
      const run = await state.run(script(onFailure));
      assert.is(run.code, 3, run.finished.stderr);
      assert.is(await judgeVersion(state), left, onFailure);
      assert.is((await state.show())["plain_number"], 10);
      assert.match(
        run.done.state ?? "",
        left === "old" ? "newer.start" : left === "new" ? "newer.middle" : "newer",
      );
      await state.place.polus("rollback", "--pid", String(state.pid));
    }
    assert.is(await judgeVersion(state), "old");
  }));

test("without debug information an explicit cast reads, sets and calls", () =>
  withState(
    async (state) => {
      const lines = await state.prints(`
        print *(int *)&plain_number, (long)&judge != 0, *(long *)&wide
        set *(int *)&plain_number = 41
        print *(int *)&plain_number, *(char **)&greeting == "hello"
        print call add(20, 22)
      `);
      assert.equal(lines.slice(1), ["41 1", "42"]);
      assert.is((await state.show())["plain_number"], 41);
      const untyped = await state.fails("print plain_number + 1", "untyped@1:7");
      assert.match(untyped.diagnostics[0]?.suggestion ?? "", "&plain_number");
      await state.fails("set plain_number = 1", "not-assignable@1:5");
      const function_ = await state.fails("print (int)judge", "untyped@1:12");
      assert.match(function_.diagnostics[0]?.suggestion ?? "", "call judge(…)");
    },
    { program: stateProgram(["-g0"]) },
  ));

test("a stripped program with its debug file beside it is as good as unstripped", () =>
  withState(
    async (state) => {
      assert.equal(await state.prints("print conf.limits[2].factor, head->next->value"), [
        "2.5 20",
      ]);
    },
    { program: stripped(stateProgram(), "debuglink") },
  ));

test.run();

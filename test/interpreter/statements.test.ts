/** What statements do, undo and say, on the fake engine. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { placeOf } from "../../lang/source.js";
import { fakeProcess, fakeWorld, type FakeWorld } from "./fake_engine.js";
import { runScript, type ScriptRun } from "./script_run.js";

function world(words: Record<string, number> = { count: 5, most: 9 }, pids = [1]): FakeWorld {
  const processes = pids.map((pid) => fakeProcess(pid, { words: { ...words } }));
  return fakeWorld({ processes });
}

function words(one: FakeWorld): Record<string, number> | undefined {
  return one.processes[0]?.words;
}

/** `CODE@LINE:COLUMN` of the diagnostics. */
function places({ diagnostics }: ScriptRun): readonly string[] {
  return diagnostics.map(({ code, span }) => {
    const place = span === undefined ? undefined : placeOf(span);
    return `${code}@${place?.line}:${place?.column}`;
  });
}

const update = (name: string, more = ""): string => `update ${name} {
  target { exe "server" }
  patch a from "a.so" { replace work }
  patch b from "b.so" after a { replace parse }
  rollback point middle after a
  ${more}
}
`;

test("set, let, print, if, while, for, break and continue", async () => {
  const one = world();
  const run = await runScript(
    `let sum = 0
     for i in most { if (i == 2) { continue } if (i == 5) { break } set sum = sum + i }
     while (count < 8) { set count = count + 1 }
     if (count == 9) { print "no" } else if (count == 8) { set most = sum } else { print "no" }
     print count, most, sum, "text"`,
    one,
  );
  assert.is(run.outcome, "completed");
  assert.equal(run.prints, ["1: 8 8 8 text"]);
  assert.equal(words(one), { count: 8, most: 8 });
  const sets = run.events.filter((event) => event.event === "set");
  assert.is(sets.length, 4);
  assert.equal(sets[0], {
    event: "set",
    pid: 1,
    address: "0x10000",
    place: "count",
    before: "5",
    after: "6",
  });
});

test("a variable belongs to its block; parameters stand for the caller's expression", async () => {
  const one = world();
  const run = await runScript(
    `let x = 1
     if (x == 1) { let x = 2 set x = 3 }
     recipe clamp(counter, limit) { if (counter > limit) { set counter = limit } }
     recipe outer(c) { clamp(c, most - 6) }
     outer(count)
     print x, count, sum(count, x)
     recipe sum(a, b) { let x = 100 return a + b + x }`,
    one,
  );
  assert.is(run.outcome, "completed");
  assert.equal(run.prints, ["1: 1 3 104"]);
});

test("a failed assertion puts back what was set, newest first", async () => {
  const one = world();
  const run = await runScript(
    `set count = 6\nset most = 1\nset count = 7\nassert count == 8, "not eight"`,
    one,
  );
  assert.is(run.outcome, "failed");
  assert.is(run.state, "unchanged");
  assert.not.ok(run.touched);
  assert.equal(places(run), ["assertion-failed@4:8"]);
  assert.match(run.diagnostics[0]?.message ?? "", "not eight");
  assert.equal(words(one), { count: 5, most: 9 });
  const back = run.events.flatMap((event) => (event.event === "put_back" ? [event.place] : []));
  assert.equal(back, ["count", "most", "count"]);
});

test("what the program has changed since is left, and the outcome says where", async () => {
  const one = world();
  const [process] = one.processes;
  if (process !== undefined) process.restless = ["count"];
  const run = await runScript(`set most = 1 set count = 6 fail "enough"`, one);
  assert.is(run.outcome, "inconsistent");
  assert.equal(words(one), { count: 1006, most: 9 });
  assert.match(run.state ?? "", /^count \(0x10000\) of pid 1$/);
  assert.match(run.warnings.join(), /count at 0x10000 of pid 1 was not put back: it holds/);
});

test("fail, a wild pointer and a wait that ran out are failures; warn is none", async () => {
  const failed = await runScript(`fail "enough"`, world());
  assert.is(failed.outcome, "failed");
  assert.equal(places(failed), ["script-failed@1:1"]);
  const wild = await runScript(`set count = 1 print wild`, world());
  assert.is(wild.outcome, "failed");
  assert.is(wild.state, "unchanged");
  const late = await runScript(`wait until count == 6 within 30ms`, world());
  assert.is(late.outcome, "failed");
  assert.match(late.diagnostics[0]?.message ?? "", "did not come to hold within 30ms");
  assert.ok(late.events.some((event) => event.event === "waiting"));
  const warned = await runScript(`warn "look" print 1`, world());
  assert.is(warned.outcome, "completed");
  assert.equal(places(warned), ["script-warning@1:1"]);
});

test("a name that the target lacks is refused only while nothing was changed", async () => {
  const before = await runScript(`set cuont = 1`, world());
  assert.is(before.outcome, "refused");
  const after = await runScript(`set count = 1 set cuont = 1`, world());
  assert.is(after.outcome, "failed");
  assert.is(after.state, "unchanged");
});

test("an error in a recipe names the chain of callers, innermost first", async () => {
  const run = await runScript(
    `recipe inner(a) { assert a == 0 }
recipe outer(b) { inner(b) }
outer(count)`,
    world(),
  );
  const [error] = run.diagnostics;
  assert.equal(places(run), ["assertion-failed@1:26"]);
  assert.equal(
    error?.notes.map(({ message, span }) => `${message} ${span && placeOf(span).line}`),
    ["in recipe `inner`, called here 2", "in recipe `outer`, called here 3"],
  );
});

test("recursion and loops are bounded", async () => {
  const deep = await runScript(`recipe r(n) { r(n + 1) } r(0)`, world());
  assert.is(deep.outcome, "failed");
  assert.equal(places(deep), ["endless-recursion@1:15"]);
  const long = await runScript(`while (1 == 1) { }`, world());
  assert.is(long.outcome, "failed");
  assert.equal(places(long), ["endless-loop@1:1"]);
});

test("sleep waits; a signal ends it and undoes", async () => {
  const one = world();
  const begin = performance.now();
  const run = await runScript(`set count = 1 sleep 60s print count`, one, (interruption) =>
    setTimeout(() => interruption.request("SIGINT"), 30),
  );
  assert.ok(performance.now() - begin < 10_000);
  assert.is(run.outcome, "failed");
  assert.is(run.state, "unchanged");
  assert.equal(words(one), { count: 5, most: 9 });
  assert.equal(run.prints, []);
});

test("calls run in the target; that they are not taken back is said", async () => {
  const run = await runScript(`let y = call work(41) call work(1) print y fail "x"`, world());
  assert.equal(run.prints, ["1: 42"]);
  assert.is(run.outcome, "failed");
  assert.match(run.warnings.join(), /what called functions did is not taken back: `work`/);
});

test("with several processes statements run in turn and an update goes to all at once", async () => {
  const one = world({ count: 5 }, [1, 2]);
  const run = await runScript(
    `${update("fix")} print 1 if (count == 5) { apply fix } print 2`,
    one,
  );
  assert.is(run.outcome, "applied");
  assert.equal(run.prints, ["1: 1", "2: 1", "1: 2", "2: 2"]);
  assert.equal(
    one.calls.filter((call) => call.startsWith("apply ")),
    ["apply fix"],
  );
  const some = world({ count: 5 }, [1, 2]);
  const second = some.processes[1];
  if (second !== undefined) second.words = { count: 6 };
  const part = await runScript(`${update("fix")} if (count == 6) { apply fix }`, some);
  assert.is(part.outcome, "applied");
  assert.equal(
    some.processes.map(({ updates }) => updates.length),
    [0, 1],
  );
});

test("writes and updates are taken back newest first", async () => {
  const one = world();
  const run = await runScript(
    `${update("fix")} set count = 6 apply fix set count = 7 fail "no"`,
    one,
  );
  assert.is(run.outcome, "failed");
  assert.is(run.state, "fix.start");
  const order = one.calls.filter((call) => /^(apply|rollback|write) /.test(call));
  assert.equal(order, [
    'write 1 {"count":6,"most":9}',
    "apply fix",
    'write 1 {"count":7,"most":9}',
    'write 1 {"count":6,"most":9}',
    "rollback fix.start",
    'write 1 {"count":5,"most":9}',
  ]);
});

test("a recipe applies and rolls back the update that its caller names", async () => {
  const one = world({ count: 5 }, [1, 2]);
  const run = await runScript(
    `${update("fix")} ${update("other")}
    recipe trial(which, good) { apply which if (!good) { back(which) } }
    recipe back(it) { rollback to it.middle }
    trial(fix, count == 6)
    trial(other, count == 5)`,
    one,
  );
  assert.is(run.outcome, "applied");
  assert.equal(
    one.calls.filter((call) => /^(apply|rollback) /.test(call)),
    ["apply fix", "rollback fix.middle", "apply other"],
  );
});

test("processes meet in a recipe only over the same update", async () => {
  const one = world({ count: 5 }, [1, 2]);
  const second = one.processes[1];
  if (second !== undefined) second.words = { count: 6 };
  const run = await runScript(
    `${update("fix")} ${update("other")}
    recipe go(which) { apply which }
    if (count == 5) { go(fix) } else { go(other) }`,
    one,
  );
  assert.is(run.outcome, "applied");
  assert.equal(
    one.processes.map(({ updates }) => updates.map(({ name }) => name)),
    [["fix"], ["other"]],
  );
});

test("rollback to a point", async () => {
  const one = world();
  const run = await runScript(`${update("fix")} apply fix rollback to fix.middle`, one);
  assert.is(run.outcome, "applied");
  assert.is(one.processes[0]?.updates[0]?.position, 1);
  const whole = await runScript(`${update("fix")} apply fix rollback to fix.start`, world());
  assert.is(whole.outcome, "rolled-back");
});

// --- taints ------------------------------------------------------------------------------------

function taintEvents(run: ScriptRun): readonly string[] {
  return run.events.flatMap((event) =>
    event.event === "taint" ? [`${event.name} ${event.state}`] : [],
  );
}

test("a clean state costs no step; a tainted one is repaired and the record learns it", async () => {
  const taint = `taint many before a { check count <= most recover { set count = most } }`;
  const clean = world();
  const run = await runScript(update("fix", taint), clean);
  assert.is(run.outcome, "applied");
  assert.equal(taintEvents(run), ["many clean"]);
  assert.equal(
    clean.calls.filter((call) => call.startsWith("apply ")),
    ["apply fix"],
  );
  const dirty = world({ count: 50, most: 9 });
  const repaired = await runScript(update("fix", taint), dirty);
  assert.is(repaired.outcome, "applied");
  assert.equal(taintEvents(repaired), ["many tainted", "many repaired"]);
  assert.equal(words(dirty), { count: 9, most: 9 });
  assert.equal(
    dirty.calls.filter((call) => call.startsWith("apply ")),
    ["apply fix 2 repairs 1"],
  );
});

test("beyond repair: fails by default and puts the recovery back; warns where it says so", async () => {
  const taint = (otherwise: string): string =>
    `taint many before a { check count < 0 recover { set count = 1 } ${otherwise} }`;
  const one = world();
  const failed = await runScript(update("fix", taint('otherwise fail "count is lost"')), one);
  assert.is(failed.outcome, "failed");
  assert.is(failed.state, "unchanged");
  assert.equal(taintEvents(failed), ["many tainted", "many beyond-repair"]);
  assert.match(failed.diagnostics[0]?.message ?? "", "count is lost");
  assert.equal(words(one), { count: 5, most: 9 });
  assert.not.ok(one.calls.some((call) => call.startsWith("apply ")));
  const warned = await runScript(update("fix", taint('otherwise warn "count is odd"')), world());
  assert.is(warned.outcome, "applied");
  assert.equal(
    warned.diagnostics.map(({ severity }) => severity),
    ["warning"],
  );
});

test("taints in the middle and at both ends divide the application into steps", async () => {
  const one = world();
  const run = await runScript(
    update(
      "fix",
      `taint whole always { check count > 0 }
       taint late before b { check count == 5 recover { set count = 5 } }
       taint first after a { check count == 6 recover { set count = 6 } }`,
    ),
    one,
  );
  assert.is(run.outcome, "applied");
  assert.equal(taintEvents(run), [
    "whole clean",
    "first tainted",
    "first repaired",
    "late tainted",
    "late repaired",
    "whole clean",
  ]);
  assert.equal(
    one.calls.filter((call) => /^(apply|stage) /.test(call)),
    [
      "stage fix",
      "apply fix 1 more repairs 0",
      "apply fix 2 more repairs 2",
      "apply fix 2 repairs 0",
    ],
  );
});

test("a taint that fails between two steps takes the first back, or keeps it", async () => {
  const taint = `taint late before b { check count == 4 }`;
  const one = world();
  const failed = await runScript(update("fix", taint), one);
  assert.is(failed.outcome, "failed");
  assert.is(failed.state, "fix.start");
  const kept = world();
  const run = await runScript(update("fix", `${taint} on failure rollback to middle`), kept);
  assert.is(run.outcome, "failed");
  assert.is(run.state, "fix.middle");
  assert.ok(kept.calls.includes("apply fix 1 repairs 0"), "the run is finished where it stands");
});

test("an update that is there already is not looked at again", async () => {
  const taint = `taint many before a { check count == 0 otherwise warn "w" }`;
  const one = world();
  await runScript(update("fix", taint), one);
  const again = await runScript(update("fix", taint), one);
  assert.is(again.outcome, "skipped");
  assert.equal(taintEvents(again), []);
});

test.run();

/** What a failing run leaves behind: `on failure` in all its forms, undoing, and errors of our own. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Workplace, type JsonRun } from "./command.js";
import { fakeProcess, type FakeFault, type FakeWorld } from "./fake_engine.js";

function update(name: string, onFailure: string, patches = 2): string {
  const all = ["a", "b", "c"].slice(0, patches);
  return `update ${name} {
    target { exe "server" }
    ${all.map((patch) => `patch ${patch} from "${patch}.so" { replace work }`).join("\n")}
    rollback point middle after a
    ${onFailure}
  }\n`;
}

const lastFails: FakeFault = { on: "apply", update: "last", kind: "failed", code: "DEADLINE" };

async function runWith(
  script: string,
  faults: FakeFault[],
  more: Partial<FakeWorld> = {},
): Promise<{ place: Workplace; run: JsonRun }> {
  const place = new Workplace({ processes: [fakeProcess(1)], faults, ...more });
  return { place, run: await place.script(script) };
}

test("an update that fails by itself leaves everything unchanged", async () => {
  const { place, run } = await runWith(update("last", ""), [lastFails]);
  assert.is(run.code, 3);
  assert.is(run.done.outcome, "failed");
  assert.is(run.done.state, "unchanged");
  assert.equal(run.places, ["deadline@1:8"]);
  assert.equal(place.calls, ["verify last", "apply last"]);
});

test("by default updates that were applied before go back to start, newest first", async () => {
  const { place, run } = await runWith(
    update("one", "") + update("two", "on failure rollback to start") + update("last", ""),
    [lastFails],
  );
  assert.is(run.code, 3);
  assert.is(run.done.outcome, "failed");
  assert.is(run.done.state, "one.start, two.start");
  assert.equal(place.calls.slice(-3), ["apply last", "rollback two.start", "rollback one.start"]);
  assert.ok(place.world.processes[0]?.updates.every((one) => one.state === "rolled-back"));
});

test("rollback to a point and keep are done as they say", async () => {
  const pointed = await runWith(
    update("one", "on failure rollback to middle") + update("last", ""),
    [lastFails],
  );
  assert.is(pointed.run.done.state, "one.middle");
  assert.is(pointed.place.world.processes[0]?.updates[0]?.position, 1);
  const kept = await runWith(update("one", "on failure keep") + update("last", ""), [lastFails]);
  assert.is(kept.run.code, 3);
  assert.is(kept.run.done.state, "one");
  assert.not.ok(kept.place.calls.some((call) => call.startsWith("rollback")));
});

test("what a kept update stands on is not rolled back under it, and that is said", async () => {
  const { place, run } = await runWith(
    update("one", "") + update("two", "on failure keep") + update("last", ""),
    [lastFails],
  );
  assert.is(run.code, 3);
  assert.is(run.done.state, "one, two");
  assert.match(run.done.warnings?.join() ?? "", "one was not rolled back");
  assert.not.ok(place.calls.some((call) => call.startsWith("rollback")));
});

test("an update that was there before the run is not rolled back", async () => {
  const place = new Workplace({ processes: [fakeProcess(1)] });
  await place.script(update("one", ""));
  place.change((world) => {
    world.faults = [lastFails];
    world.calls = [];
  });
  const run = await place.script(update("one", "") + update("last", ""));
  assert.is(run.code, 3);
  assert.is(run.done.state, "unchanged");
  assert.equal(place.calls, ["verify one", "verify last", "apply one", "apply last"]);
});

test("refused or invalid after something was applied is failed", async () => {
  for (const kind of ["refused", "invalid"] as const) {
    const { run } = await runWith(update("one", "") + update("last", ""), [{ ...lastFails, kind }]);
    assert.is(run.code, 3, kind);
    assert.is(run.done.outcome, "failed", kind);
    assert.is(run.done.state, "one.start", kind);
  }
});

test("a rollback that fails while undoing is inconsistent and says what is where", async () => {
  const { run } = await runWith(update("one", "") + update("last", ""), [
    lastFails,
    { on: "rollback", update: "one", kind: "failed" },
  ]);
  assert.is(run.code, 4);
  assert.is(run.done.outcome, "inconsistent");
  assert.match(run.done.state ?? "", "one");
  assert.match(run.done.warnings?.join() ?? "", "one is still active in 1");
});

test("an inconsistent process is left alone and recover is named", async () => {
  const { place, run } = await runWith(update("one", "") + update("last", ""), [
    { ...lastFails, kind: "inconsistent" },
  ]);
  assert.is(run.code, 4);
  assert.is(run.done.outcome, "inconsistent");
  assert.match(run.done.state ?? "", "unknown in 1");
  assert.match(run.done.warnings?.join() ?? "", "polus recover --pid 1");
  assert.not.ok(place.calls.some((call) => call.startsWith("rollback")));
});

test("an internal error is failed before, inconsistent after a process was touched", async () => {
  const cases: readonly (readonly [FakeFault, number, string])[] = [
    [{ on: "find", kind: "internal" }, 3, "failed"],
    [{ on: "open", kind: "internal" }, 3, "failed"],
    [{ on: "verify", kind: "internal" }, 3, "failed"],
    [{ on: "apply", kind: "internal" }, 4, "inconsistent"],
  ];
  for (const [fault, code, outcome] of cases) {
    const { run } = await runWith(update("one", ""), [fault]);
    assert.is(run.code, code, fault.on);
    assert.is(run.done.outcome, outcome, fault.on);
    assert.is(run.diagnostics.at(-1)?.code, "internal", fault.on);
    assert.not.match(run.finished.stderr, /\n\s+at /, "no JavaScript stack");
  }
});

test("after an internal error inside the engine its processes are left to recovery", async () => {
  const { place, run } = await runWith(update("one", "") + update("last", ""), [
    { ...lastFails, kind: "internal" },
  ]);
  assert.is(run.code, 4);
  assert.is(
    place.world.processes[0]?.updates[0]?.state,
    "active",
    "its process needs recovery first",
  );
});

test("--debug shows the stack", async () => {
  const place = new Workplace({
    processes: [fakeProcess(1)],
    faults: [{ on: "apply", kind: "internal" }],
  });
  place.file("s.polus", update("one", ""));
  const { code, stderr } = await place.run("run", "s.polus", "--debug");
  assert.is(code, 4);
  assert.match(stderr, /\n\s+at /);
});

test("an error that nobody catches still ends with a done line, after undoing", async () => {
  const { place, run } = await runWith(
    update("one", "") + update("last", ""),
    [{ on: "apply", update: "one", kind: "stray" }],
    { delayMs: 50 },
  );
  assert.is(run.code, 4);
  assert.is(run.done.outcome, "inconsistent");
  assert.is(run.diagnostics[0]?.code, "internal");
  assert.not.ok(place.calls.includes("apply last"), "the work went on");
  assert.is(place.world.processes[0]?.updates[0]?.state, "rolled-back");
});

test("a problem while looking for completion never undoes the update", async () => {
  const { run } = await runWith(update("one", "complete within 1s"), [
    { on: "frames", kind: "failed" },
  ]);
  assert.is(run.code, 0);
  assert.is(run.done.outcome, "applied");
  assert.is(run.done.completion, "pending");
});

test("what was applied to a tree is taken back in the tree", async () => {
  const tree = update("one", "").replace('"server"', '"server" scope tree');
  const other = update("last", "").replace('"server"', '"server" scope tree');
  const { place, run } = await runWith(tree + other, [lastFails], {
    processes: [fakeProcess(1), fakeProcess(2, { parent: 1 }), fakeProcess(3, { parent: 2 })],
  });
  assert.is(run.code, 3);
  assert.equal(run.done.pids, [1, 2, 3]);
  assert.ok(
    place.world.processes.every((process) => process.updates[0]?.state === "rolled-back"),
    JSON.stringify(place.world.processes),
  );
});

test("updates of different scopes in one run never share a session", async () => {
  const tree = update("one", "").replace('"server"', '"server" scope tree');
  const alone = update("two", "").replace('exe "server"', 'exe "lone"');
  const { place, run } = await runWith(tree + alone, [], {
    processes: [
      fakeProcess(1),
      fakeProcess(2, { parent: 1 }),
      fakeProcess(5, { exe: "/bin/lone" }),
    ],
  });
  assert.is(run.code, 0, run.finished.stderr);
  assert.equal(run.done.pids, [1, 2, 5]);
  const sessions = place.world.calls.filter((call) => /^(open|close) /.test(call));
  assert.equal(sessions, ["open 1", "open 5", "close 1", "close 5"]);
  const both = new Workplace({ processes: [fakeProcess(1), fakeProcess(2, { parent: 1 })] });
  const named = await both.script(tree + update("two", ""), "--pid", "1");
  assert.is(named.code, 0, named.finished.stderr);
  assert.equal(
    both.world.processes.map((process) => process.updates.map(({ name }) => name)),
    [["one", "two"], ["one"]],
  );
  const opened = both.world.calls.filter((call) => /^(open|close) /.test(call));
  assert.equal(opened.slice(0, 3), ["open 1", "close 1", "open 1"]);
});

test("an update stays where the script rolled it back to when that is below its point", async () => {
  const { place, run } = await runWith(
    `${update("one", "on failure rollback to middle")}${update("last", "")}
    apply one
    rollback to one.middle
    apply last`,
    [lastFails],
  );
  assert.is(run.code, 3);
  assert.is(run.done.state, "one.middle");
  assert.is(place.calls.filter((call) => call.startsWith("rollback")).length, 1);
});

test.run();

/** The commands beside `run`, and command lines that are wrong. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { statusLines, Workplace } from "./command.js";
import { fakeProcess, type FakeUpdate } from "./fake_engine.js";

const fix = `update fix {
  target { exe "server" }
  patch p from "a.so" { replace work }
  patch q from "b.so" { replace parse }
  rollback point middle after p
}`;

function carried(name: string, more: Partial<FakeUpdate> = {}): FakeUpdate {
  return {
    name,
    state: "active",
    scope: "process",
    scriptDigest: "",
    points: [
      { name: "start", position: 0 },
      { name: "middle", position: 1 },
    ],
    position: 2,
    patches: [
      { name: "p", digest: "a".repeat(64), functions: ["work"] },
      { name: "q", digest: "b".repeat(64), functions: ["parse", "serve"] },
    ],
    ...more,
  };
}

test("status shows exactly the members of the contract, one object a process", async () => {
  const place = new Workplace({
    processes: [
      fakeProcess(20, { updates: [carried("old", { state: "rolled-back" }), carried("fix")] }),
      fakeProcess(10, { updates: [carried("fix")] }),
      fakeProcess(30),
      fakeProcess(40, { updates: [carried("old", { state: "rolled-back" })] }),
    ],
  });
  const run = await place.run("status", "--json");
  assert.is(run.code, 0);
  const lines = statusLines(run);
  assert.equal(
    lines.map((line) => [line.pid, line.updates.map((update) => update.name)]),
    [
      [10, ["fix"]],
      [20, ["fix"]],
    ],
  );
  assert.equal(lines[0], {
    pid: 10,
    exe: "/usr/bin/server",
    build_id: "5b0c1e4f00112233445566778899aabbccddeeff",
    updates: [
      {
        name: "fix",
        points: ["start", "middle"],
        patches: [
          { name: "p", digest: "a".repeat(64), functions: ["work"] },
          { name: "q", digest: "b".repeat(64), functions: ["parse", "serve"] },
        ],
        state: "active",
        applied_at: "2024-05-01T10:00:00.000Z",
      },
    ],
  });
  const all = statusLines(await place.run("status", "--all", "--json"));
  assert.equal(
    all.map((line) => [line.pid, line.updates.length]),
    [
      [10, 1],
      [20, 2],
      [40, 1],
    ],
  );
});

test("status of a process without updates is an object too; of none at all an error", async () => {
  const place = new Workplace({ processes: [fakeProcess(30)] });
  assert.equal(statusLines(await place.run("status", "--pid", "30", "--json"))[0]?.updates, []);
  assert.match((await place.run("status", "--pid", "30")).stdout, "carries no updates");
  const gone = await place.run("status", "--pid", "31");
  assert.is(gone.code, 2);
  assert.match(gone.stderr, /^polus: error no-such-process: /);
  assert.match((await place.run("status")).stdout, "no process");
  assert.is((await place.run("status", "--json")).stdout, "");
});

test("a damaged record is inconsistent", async () => {
  const place = new Workplace({
    processes: [fakeProcess(30)],
    faults: [{ on: "status", kind: "inconsistent", code: "RECORD_DAMAGED" }],
  });
  const run = await place.run("status", "--pid", "30");
  assert.is(run.code, 4);
  assert.match(run.stderr, "record-damaged");
});

test("rollback takes the newest active update to its start; nothing active is skipped", async () => {
  const place = new Workplace({
    processes: [fakeProcess(5, { updates: [carried("one"), carried("two")] })],
  });
  const first = await place.json("rollback", "--pid", "5");
  assert.is(first.code, 0, first.finished.stderr);
  assert.is(first.done.outcome, "rolled-back");
  assert.is(first.done.state, "two.start");
  assert.is(first.done.functions, 3);
  assert.equal(first.done.pids, [5]);
  assert.is((await place.json("rollback", "--pid", "5")).done.state, "one.start");
  const nothing = await place.json("rollback", "--pid", "5");
  assert.is(nothing.code, 0);
  assert.is(nothing.done.outcome, "skipped");
  const journal = await place.journal();
  assert.is(journal.filter((record) => record.record === "operation-end").length, 2);
});

test("rollback to a point; what the record does not know is refused with names", async () => {
  const place = new Workplace({
    processes: [fakeProcess(5, { updates: [carried("one"), carried("two")] })],
  });
  const run = await place.json("rollback", "--pid", "5", "--to", "one.middle");
  assert.is(run.done.outcome, "rolled-back");
  assert.is(run.done.state, "one.middle");
  assert.equal(
    place.world.processes[0]?.updates.map(({ name, state, position }) => [name, state, position]),
    [
      ["one", "active", 1],
      ["two", "rolled-back", 2],
    ],
  );
  const point = await place.json("rollback", "--pid", "5", "--to", "one.nowhere");
  assert.is(point.code, 2);
  assert.match(point.diagnostics[0]?.suggestion ?? "", "start");
  assert.is((await place.json("rollback", "--pid", "5", "--to", "x.start")).code, 2);
  assert.is((await place.json("rollback", "--pid", "6")).code, 2);
});

test("rollback of a tree's update covers the descendants that carry it", async () => {
  const tree = { scope: "tree" as const };
  const place = new Workplace({
    processes: [
      fakeProcess(5, { updates: [carried("fix", tree)] }),
      fakeProcess(6, { parent: 5, updates: [carried("fix", tree)] }),
      fakeProcess(7, { parent: 5 }),
      fakeProcess(8, { parent: 7, updates: [carried("fix", tree)] }),
    ],
  });
  const run = await place.json("rollback", "--pid", "5");
  assert.is(run.code, 0, run.finished.stderr);
  assert.equal(run.done.pids, [5, 6, 8]);
  assert.equal(
    run.events("rolling_back").map((line) => "pids" in line && line.pids),
    [[5, 6, 8]],
  );
});

test("rollback and run recover an interrupted target first; recover does only that", async () => {
  const interrupted = [carried("one"), carried("half", { state: "interrupted" })];
  const place = new Workplace({ processes: [fakeProcess(5, { updates: interrupted })] });
  const run = await place.json("rollback", "--pid", "5");
  assert.is(run.code, 0, run.finished.stderr);
  assert.equal(place.calls, ["recover", "rollback newest"]);
  assert.is(run.done.state, "one.start");
  const other = new Workplace({ processes: [fakeProcess(5, { updates: interrupted })] });
  const recovered = await other.json("recover", "--pid", "5");
  assert.is(recovered.code, 0);
  assert.is(recovered.done.outcome, "recovered");
  assert.is((await other.json("recover", "--pid", "5")).done.outcome, "skipped");
});

test("a rollback that fails has the engine's outcome", async () => {
  for (const [kind, code] of [
    ["refused", 2],
    ["failed", 3],
    ["inconsistent", 4],
    ["internal", 4],
  ] as const) {
    const place = new Workplace({
      processes: [fakeProcess(5, { updates: [carried("one")] })],
      faults: [{ on: "rollback", kind }],
    });
    const run = await place.json("rollback", "--pid", "5");
    assert.is(run.code, code, kind);
    assert.is(run.done.state, code === 4 ? "unknown" : "unchanged", kind);
  }
});

test("check touches no process and knows names only with a target", async () => {
  const place = new Workplace({ processes: [fakeProcess(5)] });
  place.file("s.polus", fix);
  const plain = await place.json("check", "s.polus");
  assert.is(plain.code, 0, plain.finished.stderr);
  assert.is(plain.done.outcome, "completed");
  assert.is(plain.done.functions, 2);
  assert.is(plain.done.patches, 2);
  assert.equal(plain.done.pids, []);
  assert.equal(place.world.calls, []);
  assert.is((await place.json("check", "s.polus", "--pid", "5")).code, 0);
  assert.is((await place.json("check", "s.polus", "--exe", "/usr/bin/server")).code, 0);
  assert.not.ok(place.world.calls.some((call) => /apply|rollback|recover/.test(call)));
  place.file("s.polus", fix.replace("replace parse", "replace prase"));
  assert.is((await place.json("check", "s.polus")).code, 0);
  for (const target of [
    ["--pid", "5"],
    ["--exe", "/usr/bin/server"],
  ]) {
    const run = await place.json("check", "s.polus", ...target);
    assert.is(run.code, 2, target.join(" "));
    assert.equal(run.places, ["unknown-function@4:33"]);
  }
  assert.is((await place.json("check", "s.polus", "--exe", "/none")).code, 1);
  place.file("s.polus", "update");
  const wrong = await place.json("check", "s.polus");
  assert.is(wrong.code, 1);
  assert.is(wrong.done.outcome, "invalid");
});

test("doctor lists the machine's and its own findings", async () => {
  const place = new Workplace();
  const text = await place.run("doctor");
  assert.is(text.code, 0);
  assert.match(text.stdout, "ok       ptrace: allowed");
  assert.match(text.stdout, "help: none needed");
  assert.match(text.stdout, "C compiler");
  const json = (await place.run("doctor", "--json")).stdout
    .trimEnd()
    .split("\n")
    .map((line): unknown => JSON.parse(line));
  assert.ok(json.length >= 4);
});

test("a patch that was not constructed is not built, trees that are none not compared", async () => {
  const place = new Workplace();
  const build = await place.run("build", "d");
  assert.is(build.code, 1);
  assert.match(build.stderr, /^polus: error not-a-patch: /);
  const patchgen = await place.run("patchgen", "--old", "a", "--new", "b", "--out", "c");
  assert.is(patchgen.code, 1);
  assert.match(patchgen.stderr, /error no-such-tree: /);
});

test("a wrong command line has exit code 1, with --json also a done line", async () => {
  const place = new Workplace();
  for (const words of [["nonsense"], ["run"], ["rollback"], ["run", "a", "--bogus"]]) {
    const { code, stderr, stdout } = await place.run(...words);
    assert.is(code, 1);
    assert.match(stderr, /^polus: error command-line: /);
    assert.is(stdout, "");
    const json = await place.json(...words);
    assert.is(json.code, 1);
    assert.is(json.done.outcome, "invalid");
  }
  assert.is((await place.run("status", "--bogus", "--json")).code, 1);
});

test("--help and --version answer on standard output", async () => {
  const place = new Workplace();
  const help = await place.run("--help");
  assert.is(help.code, 0);
  assert.match(help.stdout, "usage: polus");
  assert.is((await place.run("run", "--help")).code, 0);
  assert.match((await place.run("--version")).stdout, /^polus \d+\.\d+\.\d+\n$/);
});

test.run();

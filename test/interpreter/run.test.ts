/** `polus run` from script to outcome, on the fake engine. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { chmodSync } from "node:fs";
import { join } from "node:path";
import { Workplace } from "./command.js";
import { fakeProcess } from "./fake_engine.js";

const one = `
update fix "mends it" {
  target { exe "server" }
  patch p from "a.so" { replace work }
  patch q from "b.so" after p { replace parse with parse_v2 }
  rollback point middle after p
}
`;

test("an update of the one process that runs the target is applied", async () => {
  const place = new Workplace({ processes: [fakeProcess(100), fakeProcess(7, { exe: "/bin/x" })] });
  const run = await place.script(one);
  assert.is(run.code, 0, run.finished.stderr);
  const { done } = run;
  assert.is(done.outcome, "applied");
  assert.equal(done.pids, [100]);
  assert.is(done.functions, 2);
  assert.is(done.patches, 2);
  assert.is(done.stall_us_max, 210);
  assert.is(done.stopped_threads_max, 4);
  assert.is(done.completion, undefined);
  assert.equal(place.calls, ["verify fix", "apply fix"]);
  const [update] = place.world.processes[0]?.updates ?? [];
  assert.equal(
    update?.points.map(({ name, position }) => [name, position]),
    [
      ["start", 0],
      ["middle", 1],
    ],
  );
  assert.equal(
    update?.patches.map(({ name, functions }) => [name, functions]),
    [
      ["p", ["work"]],
      ["q", ["parse"]],
    ],
  );
});

test("the journal tells the whole run", async () => {
  const place = new Workplace({ processes: [fakeProcess(100)] });
  await place.script(one);
  const records = await place.journal();
  assert.equal(
    records.map((record) => record.record),
    ["begin", "script", "operation-begin", "operation-end", "end"],
  );
  const [begin, , operation, result, end] = records;
  if (begin?.record !== "begin" || operation?.record !== "operation-begin")
    throw new Error("order");
  if (result?.record !== "operation-end" || end?.record !== "end") throw new Error("order");
  assert.equal(begin.arguments, ["run", "s.polus", "--json"]);
  assert.equal(operation.pids, [100]);
  assert.is(operation.update, "fix");
  assert.equal(
    operation.patches.map((patch) => patch.name),
    ["p", "q"],
  );
  assert.is(result.result, "done");
  assert.is(end.outcome, "applied");
});

test("for a person: progress and the closing line on standard error, nothing on standard output", async () => {
  const place = new Workplace({ processes: [fakeProcess(100)] });
  place.file("s.polus", one);
  const { code, stdout, stderr } = await place.run("run", "s.polus");
  assert.is(code, 0);
  assert.is(stdout, "");
  assert.match(stderr, "attached 1 process and 4 threads");
  assert.match(stderr, "pid 100: activated fix");
  assert.match(
    stderr,
    /\napplied: 1 process, 2 functions in 2 patches, longest stall 210 us, .*\n$/,
  );
  assert.not.match(stderr, "\u001b");
});

test("the same again is skipped, other content of the same name refused", async () => {
  const place = new Workplace({ processes: [fakeProcess(100)] });
  await place.script(one);
  const again = await place.script(one);
  assert.is(again.code, 0);
  assert.is(again.done.outcome, "skipped");
  place.file("a.so", Buffer.from([0x7f, 0x45, 0x4c, 0x46, 9]));
  const other = await place.script(one);
  assert.is(other.code, 2);
  assert.is(other.done.outcome, "refused");
  assert.equal(other.places, ["other-content@2:8"]);
});

test("updates are verified all before the first is applied", async () => {
  const place = new Workplace({ processes: [fakeProcess(100)] });
  const run = await place.script(`${one}
update second {
  target { exe "server" }
  patch p from "c.so" { replace nowhere }
}`);
  assert.is(run.code, 2);
  assert.is(run.done.outcome, "refused");
  assert.is(run.done.state, "unchanged");
  assert.equal(run.places, ["unknown-function@11:33"]);
  assert.match(run.diagnostics[0]?.suggestion ?? "", "did you mean `work`?");
  assert.equal(place.calls, ["verify fix", "verify second"]);
});

test("an import that cannot be resolved is shown at the one patch that holds its name", async () => {
  const place = new Workplace({
    processes: [fakeProcess(100)],
    faults: [
      {
        on: "verify",
        kind: "refused",
        code: "UNRESOLVED_IMPORT",
        message: "nothing defines counter$a.c",
        subject: "counter$a.c",
      },
    ],
  });
  place.file("b.so", Buffer.from("\x7fELF\0counter$a.c\0"));
  assert.equal((await place.script(one)).places, ["unresolved-import@5:16"]);
  place.file("a.so", Buffer.from("\x7fELF\0counter$a.c\0"));
  assert.equal((await place.script(one)).places, ["unresolved-import@2:8"]);
});

test("a build-id that does not fit is shown where the script names it", async () => {
  const place = new Workplace({ processes: [fakeProcess(100)] });
  const run = await place.script(`update u {
  target { exe "server" build_id "0011223344" }
  patch p from "a.so" { replace work }
}`);
  assert.is(run.code, 2);
  assert.equal(run.places, ["build-id-mismatch@2:34"]);
});

test("no process, several unrelated ones, and a tree whose scope is not declared are refused", async () => {
  const place = new Workplace();
  const none = await place.script(one);
  assert.is(none.code, 2);
  assert.equal(none.places, ["no-process@3:16"]);
  place.change((world) => world.processes.push(fakeProcess(1), fakeProcess(2)));
  const several = await place.script(one);
  assert.is(several.code, 2);
  assert.equal(several.places, ["several-processes@3:16"]);
  assert.match(several.diagnostics[0]?.message ?? "", "1, 2");
  place.change((world) => {
    world.processes = [fakeProcess(10), fakeProcess(11, { parent: 10 })];
  });
  const related = await place.script(one);
  assert.is(related.code, 2);
  assert.match(related.diagnostics[0]?.suggestion ?? "", "scope tree");
  assert.equal(place.calls, []);
});

const tree = one.replace('exe "server"', 'exe "server" scope tree');

test("a tree is the topmost process with all descendants that run the same program", async () => {
  const place = new Workplace({
    processes: [
      fakeProcess(12, { parent: 11 }),
      fakeProcess(11, { parent: 10 }),
      fakeProcess(10),
      fakeProcess(13, { parent: 12, exe: "/bin/sh", buildId: "ffffffff" }),
      fakeProcess(14, { parent: 13 }),
    ],
  });
  const run = await place.script(tree);
  assert.is(run.code, 0, run.finished.stderr);
  assert.equal(run.done.pids, [10, 11, 12, 14]);
  assert.is(run.events("left_out").length, 1);
  assert.ok(place.world.calls.includes("open 10"), "the engine follows the tree by itself");
  assert.ok(
    place.world.processes.every(({ pid, updates }) => (updates.length === 1) === (pid !== 13)),
  );
});

test("named processes are updated together; other executables are refused before anything", async () => {
  const place = new Workplace({
    processes: [fakeProcess(1), fakeProcess(2), fakeProcess(3, { exe: "/bin/other" })],
  });
  const run = await place.script(one, "--pid", "2", "--pid", "1", "--pid", "2");
  assert.is(run.code, 0, run.finished.stderr);
  assert.equal(run.done.pids, [1, 2]);
  const other = await place.script(one, "--pid", "1", "--pid", "3");
  assert.is(other.code, 2);
  assert.equal(other.places, ["exe-mismatch@3:16"]);
  const gone = await place.script(one, "--pid", "99");
  assert.is(gone.code, 2);
  assert.is(gone.diagnostics[0]?.code, "no-such-process");
});

test("an update without target needs --pid", async () => {
  const place = new Workplace({ processes: [fakeProcess(1)] });
  const text = 'update u { patch p from "a.so" { replace work } }';
  const run = await place.script(text);
  assert.is(run.code, 1);
  assert.is(run.done.outcome, "invalid");
  assert.equal(run.places, ["target-needed@1:8"]);
  assert.is((await place.script(text, "--pid", "1")).code, 0);
});

test("what is decidable without a target is invalid and reaches no engine", async () => {
  const place = new Workplace({ processes: [fakeProcess(1)] });
  const scripts = {
    syntax: "update {",
    "missing file": 'update u { target { exe "server" } patch p from "none.so" { replace f } }',
    "no object": 'update u { target { exe "server" } patch p from "world.so" { replace f } }',
    cycle: `update u { target { exe "server" }
      patch p from "a.so" after q { replace f } patch q from "a.so" after p { replace g } }`,
    "unknown point": `update u { target { exe "server" } patch p from "a.so" { replace f }
      on failure rollback to nowhere }`,
    "never applied": `${one} print 1`,
    unsupported: 'assert 1, "x"',
  };
  place.file("world.so", "text");
  for (const [name, text] of Object.entries(scripts)) {
    const run = await place.script(text);
    assert.is(run.code, 1, name);
    assert.is(run.done.outcome, "invalid", name);
    assert.ok(run.diagnostics.length > 0, name);
    assert.ok(
      run.diagnostics.every((one) => one.line !== null && one.column !== null),
      name,
    );
  }
  assert.equal(place.world.calls, []);
  const missing = await place.json("run", "none.polus");
  assert.is(missing.code, 1);
  assert.is(missing.done.outcome, "invalid");
});

test("--var changes a constant; an unknown one is invalid", async () => {
  const place = new Workplace({ processes: [fakeProcess(1)] });
  const text = 'const limit = 200\nprint limit, "x", 4KiB, 90s, true, 1.5';
  const run = await place.script(text, "--pid", "1", "--var", "limit=7");
  assert.is(run.code, 0, run.finished.stderr);
  assert.is(run.done.outcome, "completed");
  assert.equal(
    run.prints.map((line) => [line.pid, ...line.values.map((value) => value.text)]),
    [[1, "7", "x", "4KiB", "90s", "true", "1.5"]],
  );
  const unknown = await place.script(text, "--pid", "1", "--var", "other=7");
  assert.is(unknown.code, 1);
});

test("a script of statements alone needs --pid and runs for each process", async () => {
  const place = new Workplace({ processes: [fakeProcess(1), fakeProcess(2)] });
  const alone = await place.script("print 1");
  assert.is(alone.code, 1);
  assert.equal(alone.places, ["pid-needed@1:1"]);
  const both = await place.script("print 1", "--pid", "2", "--pid", "1");
  assert.equal(
    both.prints.map((line) => line.pid),
    [2, 1],
  );
  place.file("s.polus", 'print "a", 1\nprint "b"');
  const text = await place.run("run", "s.polus", "--pid", "1");
  assert.is(text.stdout, "a 1\nb\n");
});

test("statements apply and roll back in their order", async () => {
  const place = new Workplace({ processes: [fakeProcess(1)] });
  const run = await place.script(`${one}
    print "before"
    apply fix
    rollback to fix.middle
    rollback to fix.start
    apply fix
    print "after"`);
  assert.is(run.code, 0, run.finished.stderr);
  assert.is(run.done.outcome, "applied");
  assert.equal(place.calls, [
    "verify fix",
    "apply fix",
    "rollback fix.middle",
    "rollback fix.start",
    "apply fix",
  ]);
  const away = await place.script(`${one} apply fix rollback to fix.start`);
  assert.is(away.done.outcome, "rolled-back");
});

test("a dry run shows the plan, verifies, and writes nothing, not even the journal", async () => {
  const place = new Workplace({ processes: [fakeProcess(1)] });
  const run = await place.script(one, "--dry-run");
  assert.is(run.code, 0, run.finished.stderr);
  assert.is(run.done.outcome, "completed");
  assert.is(run.events("plan").length, 1);
  assert.equal(place.calls, ["verify fix"]);
  assert.throws(() => place.file("state/x", ""), /ENOENT/);
  place.file("s.polus", one);
  const text = await place.run("run", "s.polus", "--dry-run");
  assert.match(text.stdout, "replace parse with parse_v2");
  assert.match(
    text.stdout,
    /rollback point start\n {2}patch p .*\n.*\n.*\n {2}rollback point middle/,
  );
  place.change((world) => (world.processes = []));
  const nowhere = await place.script(one, "--dry-run");
  assert.is(nowhere.code, 0);
  assert.match(nowhere.done.warnings?.[0] ?? "", "no process runs server");
});

test("complete within waits and says when nothing holds the old code any more", async () => {
  const place = new Workplace({ processes: [fakeProcess(1)], looksUntilComplete: 3 });
  const run = await place.script(
    one.replace("rollback point", "complete within 20s rollback point"),
  );
  assert.is(run.code, 0, run.finished.stderr);
  assert.is(run.done.completion, "complete");
  assert.is(run.events("completing").length, 1, "the same frame is told once");
});

test("complete within that runs out is applied, pending, with what holds it", async () => {
  const place = new Workplace({ processes: [fakeProcess(1)], looksUntilComplete: 1_000_000 });
  const run = await place.script(
    one.replace("rollback point", "complete within 100ms rollback point"),
  );
  assert.is(run.code, 0);
  assert.is(run.done.outcome, "applied");
  assert.is(run.done.completion, "pending");
  assert.equal(run.done.held_by, [{ pid: 1, tid: 2, function: "serve" }]);
});

test("an interrupted run is recovered first, and that is said", async () => {
  const place = new Workplace({
    processes: [
      fakeProcess(1, {
        updates: [
          {
            name: "old",
            state: "interrupted",
            scope: "process",
            scriptDigest: "",
            points: [{ name: "start", position: 0 }],
            position: 0,
            patches: [],
          },
        ],
      }),
    ],
  });
  const run = await place.script(one);
  assert.is(run.code, 0, run.finished.stderr);
  assert.equal(place.calls, ["recover", "verify fix", "apply fix"]);
  assert.is(run.events("interrupted_run_found").length, 1);
  assert.is(run.events("recovered").length, 1);
  assert.match(run.done.warnings?.[0] ?? "", "recovered first");
});

test("C in the script is compiled; its errors stand where the script has them", async () => {
  const place = new Workplace({ processes: [fakeProcess(1)] });
  const script = (body: string): string => `update u {
  target { exe "server" }
  patch quick { c { ${body} } replace work }
}`;
  const good = await place.script(script("int work(int x) { return x * 5; }"));
  assert.is(good.code, 0, good.finished.stderr);
  const again = await place.script(script("int work(int x) { return x * 5; }"));
  assert.is(again.done.outcome, "skipped", "compiling again must give the same digest");
  const bad = await place.script(script("int work(int x) { /* ä */ return y * 5; }"));
  assert.is(bad.code, 1);
  assert.ok(bad.places.includes("c-error@3:54"), bad.places.join());
  assert.match(bad.finished.stderr, /^s\.polus:3:54: error c-error: .*undeclared/m);
  assert.match(bad.finished.stderr, "return y * 5");
});

test("a C file is compiled; its errors stand where the file has them", async () => {
  const place = new Workplace({ processes: [fakeProcess(1)] });
  const text = `update u { target { exe "server" } patch p from "x.c" { replace work } }`;
  place.file("x.c", '#include "x.h"\nint work(void) { return three; }\n');
  place.file("x.h", "enum { three = 3 };\n");
  assert.is((await place.script(text)).code, 0);
  place.file("x.c", "int work(void) {\n  return thre;\n}\n");
  const bad = await place.script(text);
  assert.is(bad.code, 1);
  assert.ok(bad.places.includes("c-error@2:10"), bad.places.join());
  assert.is(bad.diagnostics[0]?.file, `${place.folder}/x.c`);
});

if (process.geteuid?.() === 0) {
  test("as root, files that others can change are refused, unless the operator insists", async () => {
    const place = new Workplace({ processes: [fakeProcess(1)] });
    chmodSync(join(place.folder, "a.so"), 0o666);
    const patch = await place.script(one);
    assert.is(patch.code, 1);
    assert.equal(patch.places, ["untrusted-file@4:16"]);
    assert.match(patch.diagnostics[0]?.suggestion ?? "", "--insecure-files");
    chmodSync(join(place.folder, "a.so"), 0o644);
    chmodSync(place.folder, 0o777);
    const folder = await place.script(one);
    assert.is(folder.code, 1);
    assert.match(folder.diagnostics[0]?.message ?? "", "is writable by other users");
    assert.equal(place.world.calls, []);
    const insisting = await place.script(one, "--insecure-files");
    assert.is(insisting.code, 0);
    assert.is(insisting.diagnostics[0]?.code, "insecure-files");
    assert.match(insisting.done.warnings?.join() ?? "", "--insecure-files");
  });
}

test.run();

/** Scripts that change data, by the installed command. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { readFileSync } from "node:fs";
import { checkBook, ledgerProgram } from "../support/ledger.js";
import { targetSource } from "../support/repository.js";
import { withTarget } from "../support/target_process.js";
import { statusLines } from "./command.js";
import { LivePlace } from "./live_run.js";

const place = new LivePlace();
place.file("ledger_v2.c", readFileSync(targetSource("data/ledger_v2.c")));
place.file("ledger.h", readFileSync(targetSource("data/ledger.h")));

const items = `
    data ledger {
      new ledger_v2
      forward ledger_up
      backward ledger_down
    }
    data session {
      each sessions_each
      size sizeof(struct session), sizeof(struct session_v2)
      forward session_up
      backward session_down
    }`;

const script = (data = items): string => `update wider {
  patch data from "ledger_v2.c" {
    replace move
    replace touch
    replace clerk${data}
  }
  complete within 5s
}`;

test("a script changes data, and takes it back", async () => {
  await withTarget(ledgerProgram(), {}, async (target) => {
    const applied = await place.run(target.pid, script());
    assert.is(applied.done.outcome, "applied", applied.finished.stdout);
    assert.is(applied.done.completion, "complete", applied.finished.stdout);
    const [status] = statusLines(await place.polus("status", "--pid", `${target.pid}`, "--json"));
    assert.is(status?.updates[0]?.state, "active");
    assert.is(status?.updates[0]?.patches[0]?.data?.state, "complete");
    assert.is(status?.updates[0]?.patches[0]?.data?.objects, 41);
    assert.ok((status?.runtime?.traps ?? 0) > 0, "nobody wrote meanwhile");
    const back = await place.json("rollback", "--pid", `${target.pid}`);
    assert.is(back.done.outcome, "rolled-back", back.finished.stdout);
    await checkBook(target);
  });
});

test("a plan tells of the data, and nothing is changed", async () => {
  await withTarget(ledgerProgram(), {}, async (target) => {
    const path = place.file("s.polus", script());
    const { stdout, code } = await place.polus("run", path, "--pid", `${target.pid}`, "--dry-run");
    assert.is(code, 0, stdout);
    assert.match(stdout, /data ledger: the global becomes ledger_v2/);
    assert.match(stdout, /data session: each object that sessions_each visits/);
    const checked = await place.json("check", path, "--exe", ledgerProgram());
    assert.is(checked.done.outcome, "completed", checked.finished.stdout);
    const [status] = statusLines(await place.polus("status", "--pid", `${target.pid}`, "--json"));
    assert.equal(status?.updates, []);
  });
});

test("a status shows what holds completion, and completes", async () => {
  await withTarget(ledgerProgram(), { args: ["--stay"] }, async (target) => {
    const pid = `${target.pid}`;
    const applied = await place.run(target.pid, script().replace("5s", "20ms"));
    assert.is(applied.done.completion, "pending", applied.finished.stdout);
    assert.is(applied.done.held_by?.[0]?.function, "clerk");
    const [held] = statusLines(await place.polus("status", "--pid", pid, "--json"));
    assert.is(held?.updates[0]?.state, "completing");
    assert.is(held?.updates[0]?.held_by?.[0]?.function, "clerk");
    const { stdout } = await place.polus("status", "--pid", pid);
    assert.match(stdout, /data ledger, session: 41 objects in both versions, kept coherent/);
    assert.match(stdout, /held by thread \d+, in clerk since before 20/);
    await target.ask("leave");
    const [done] = statusLines(await place.polus("status", "--pid", pid, "--json"));
    assert.is(done?.updates[0]?.state, "active");
    assert.is(done?.updates[0]?.patches[0]?.data?.state, "complete");
  });
});

/** Waits, for some seconds, until so many stores are direct ones. */
async function rewritten(pid: number, atLeast: number): Promise<number> {
  let seen = 0;
  for (let look = 0; look < 40 && seen < atLeast; look++) {
    const [status] = statusLines(await place.polus("status", "--pid", `${pid}`, "--json"));
    seen = status?.runtime?.rewritten ?? 0;
  }
  return seen;
}

test("a run that waits for nothing leaves stores direct that are caught often", async () => {
  const args = ["--stay", "--movers=2"];
  await withTarget(ledgerProgram(), { args }, async (target) => {
    const text = script().replace("complete within 5s", "");
    const applied = await place.run(target.pid, text);
    assert.is(applied.done.outcome, "applied", applied.finished.stdout);
    const [status] = statusLines(await place.polus("status", "--pid", `${target.pid}`, "--json"));
    const direct = status?.runtime?.rewritten ?? 0;
    assert.ok(direct >= 4, `${direct} stores are direct`);
    await checkBook(target);
  });
});

test("a watch looks after what it has updated, and completes it", async () => {
  const args = ["--stay", "--movers=2"];
  await withTarget(ledgerProgram(), { args }, async (target) => {
    const text = script()
      .replace("complete within 5s", "")
      .replace("patch data", `target { exe "${ledgerProgram()}" }\n  patch data`);
    const watch = place.start(["watch", place.file("w.polus", text), "--json"]);
    try {
      await watch.saw('"event":"watching"');
      const direct = await rewritten(target.pid, 4);
      assert.ok(direct >= 4, `${direct} stores are direct`);
      await checkBook(target);
      await target.ask("leave");
      await watch.saw('"event":"completed"');
    } finally {
      watch.child.kill("SIGINT");
      await watch.finished;
    }
    const [status] = statusLines(await place.polus("status", "--pid", `${target.pid}`, "--json"));
    assert.is(status?.updates[0]?.state, "active");
    assert.is(status?.runtime?.rewritten, 0);
    const back = await place.json("rollback", "--pid", `${target.pid}`);
    assert.is(back.done.outcome, "rolled-back", back.finished.stdout);
    await checkBook(target);
  });
});

const wrong: readonly (readonly [what: string, data: string, code: string, line: number])[] = [
  [
    "a lock",
    "data book_lock { new ledger_v2 forward ledger_up backward ledger_down }",
    "data-has-identity",
    6,
  ],
  [
    "no variable",
    "data no_such { new ledger_v2 forward ledger_up backward ledger_down }",
    "no-such-name",
    6,
  ],
  [
    "no function",
    "data ledger { new ledger_v2 forward none backward ledger_down }",
    "patch-lacks-function",
    6,
  ],
  [
    "no object",
    "data ledger { new none forward ledger_up backward ledger_down }",
    "patch-lacks-object",
    6,
  ],
  [
    "no visitor",
    "data s { each none size 1, 2 forward session_up backward session_down }",
    "unknown-function",
    6,
  ],
  [
    "an unknown type",
    "data s { each sessions_each size sizeof(struct none), 2 forward session_up backward session_down }",
    "unknown-type",
    6,
  ],
  [
    "a negative size",
    "data s { each sessions_each size 0 - 1, 2 forward session_up backward session_down }",
    "data-size",
    6,
  ],
];

for (const [what, data, code, line] of wrong) {
  test(`refused before anything is written: ${what}`, async () => {
    await withTarget(ledgerProgram(), {}, async (target) => {
      const run = await place.run(target.pid, script(`\n    ${data}`));
      assert.ok(["refused", "invalid"].includes(run.done.outcome), run.finished.stdout);
      assert.equal(
        run.diagnostics.map((d) => [d.code, d.line]),
        [[code, line]],
        run.finished.stdout,
      );
      const [status] = statusLines(await place.polus("status", "--pid", `${target.pid}`, "--json"));
      assert.equal(status?.updates, []);
    });
  });
}

test.run();

// may skip: sshd needs root, and Debian's sources of it
// timeout 900s
// (two versions are built the first time, and a patch is constructed)
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  countsLogIns,
  loopIsNew,
  opensshMaxStartups,
  startMaxStartups,
} from "../../examples/openssh/max_startups.js";
import type { Built } from "../../scripts/experiment/case.js";
import { runCase } from "../../scripts/experiment/run.js";
import { Operator } from "../../scripts/experiment/update.js";

const quiet = (): void => undefined;

function define(built: Built): void {
  const { oldVersion, newVersion } = opensshMaxStartups.seen;

  test("the constructor names what a listener that runs goes on doing in the old version", () => {
    const [update] = built.updates;
    const report = readFileSync(join(dirname(update?.script ?? ""), "report.md"), "utf8");
    const named = [...report.matchAll(/^- `(\w+)` of sshd\.c is not reached: main was entered/gm)];
    assert.equal(
      named.map(([, name]) => name),
      ["child_close", "child_finish", "close_startup_pipes", "server_accept_loop"],
    );
    assert.is(update?.unreached, named.length);
  });

  test("a listener that executes itself anew enters the new loop; sessions go on throughout", async () => {
    const report = await runCase(opensshMaxStartups, built, { seconds: 0.5, pairs: 0, say: quiet });
    assert.equal(report.problems, []);
    assert.is(report.apply.functions, 3);
    assert.is(report.updates[0]?.lines.cByHand, 0);
    assert.equal(report.sessions, ["a running command", "a file transfer"]);
    for (const { phase, requests } of report.phases) assert.ok(requests > 0, phase);
  });

  test("a running listener is updated in what its loop calls, and has its old loop until it starts anew", async () => {
    const operator = new Operator(opensshMaxStartups, built);
    const server = await startMaxStartups(operator.executable);
    try {
      assert.is(await countsLogIns(server), oldVersion);
      await operator.apply(server);
      assert.is(await countsLogIns(server), newVersion);
      assert.not.ok(loopIsNew(server), "nothing reaches the loop of a listener that runs");
      await server.restart();
      assert.is(await countsLogIns(server), newVersion);
      assert.ok(loopIsNew(server));
      await operator.rollBack(server);
      assert.ok(operator.heldAtStart.length > 0, "the listener that started anew");
      await server.restart();
      assert.is(await countsLogIns(server), oldVersion);
      assert.not.match(server.log, /fatal|error:/);
    } finally {
      await operator.close();
      server.stop();
    }
  });
}

const built = opensshMaxStartups.prepare({ say: quiet, anew: false });
if ("missing" in built) {
  process.stdout.write(`${built.missing}\n`);
  test("OpenSSH 10.0 is left out for a reason", () => assert.ok(built.missing.length > 0));
  for (let i = 0; i < 2; i++) test.skip("needs OpenSSH 10.0");
} else define(built);

test.run();

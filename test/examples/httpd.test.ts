// may skip: httpd needs root, and the sources of 2.4.67, which Debian's archive does not have any more
// timeout 1500s
// (the versions are built the first time, and a patch is constructed)
import { test } from "uvu";
import * as assert from "uvu/assert";
import { httpdCase, httpdConstructed, httpdShared } from "../../examples/httpd/case.js";
import type { Mpm } from "../../examples/httpd/server.js";
import { runCase } from "../../scripts/experiment/run.js";

const quiet = (): void => undefined;

/** Processes that are updated at least: the parent and its first children. */
const least: Readonly<Record<Mpm, number>> = {
  prefork: 5,
  worker: 3,
  event: 3,
  shared: 3,
};

for (const mpm of ["prefork", "worker", "event", "shared"] as const) {
  const of = mpm === "shared" ? httpdShared : httpdCase(mpm);
  const built = of.prepare({ say: quiet, anew: false });
  if ("missing" in built) {
    process.stdout.write(`${built.missing}\n`);
    test(`httpd is left out for a reason, ${mpm}`, () => assert.ok(built.missing.length > 0));
    test.skip(`needs httpd, ${mpm}`);
    continue;
  }
  test(`keep-alive connections go on through update, rollback and update: ${mpm}`, async () => {
    // One pair says nothing of the speed; that there is one is shown for one model.
    const pairs = mpm === "event" ? 1 : 0;
    const report = await runCase(of, built, { seconds: 0.5, pairs, say: quiet });
    assert.equal(report.problems, []);
    assert.is(report.comparison?.pairs ?? 0, pairs);
    assert.is(report.apply.functions, 10);
    assert.ok(report.apply.processes >= least[mpm], `${report.apply.processes} processes`);
    for (const { phase, requests } of report.phases) assert.ok(requests > 0, phase);
  });
}

const constructed = httpdConstructed("event");
const release = constructed.prepare({ say: quiet, anew: false });
if ("missing" in release) test.skip("needs httpd, constructed");
else {
  test("the whole release, constructed without a line by hand", async () => {
    const report = await runCase(constructed, release, { seconds: 0.5, pairs: 0, say: quiet });
    assert.equal(report.problems, []);
    const [update] = report.updates;
    assert.is(update?.applied.functions, 22);
    assert.equal([update?.lines.cByHand, update?.lines.scriptByHand, update?.unreached], [0, 0, 0]);
    for (const { phase, requests } of report.phases) assert.ok(requests > 0, phase);
  });
}

test.run();

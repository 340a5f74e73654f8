// may skip: vsftpd needs root, and Debian's sources of it
// timeout 300s
import { test } from "uvu";
import * as assert from "uvu/assert";
import { vsftpdSeries } from "../../examples/vsftpd/case.js";
import { runCase } from "../../scripts/experiment/run.js";

const quiet = (): void => undefined;
const built = vsftpdSeries.prepare({ say: quiet, anew: false });

if ("missing" in built) {
  process.stdout.write(`${built.missing}\n`);
  test("vsftpd is left out for a reason", () => assert.ok(built.missing.length > 0));
  test.skip("needs vsftpd");
} else {
  test("sessions that are logged in go on through update, rollback and update", async () => {
    const report = await runCase(vsftpdSeries, built, { seconds: 0.5, pairs: 0, say: quiet });
    assert.equal(report.problems, []);
    assert.is(report.apply.functions, 4);
    // The listener, and two processes for each of two sessions and two clients.
    assert.ok(report.apply.processes >= 9, `${report.apply.processes} processes`);
    for (const { phase, requests } of report.phases) assert.ok(requests > 0, phase);
  });
}

test.run();

// may skip: vsftpd needs root, and Debian's sources of it
// timeout 900s
// (eight versions are built the first time, and seven patches are constructed)
import { test } from "uvu";
import * as assert from "uvu/assert";
import { vsftpdSteps } from "../../examples/vsftpd/steps.js";
import { runCase } from "../../scripts/experiment/run.js";

const quiet = (): void => undefined;
const built = vsftpdSteps.prepare({ say: quiet, anew: false });

if ("missing" in built) {
  process.stdout.write(`${built.missing}\n`);
  test("vsftpd is left out for a reason", () => assert.ok(built.missing.length > 0));
  test.skip("needs vsftpd");
} else {
  test("seven constructed updates in a row, taken back one by one, change logged-in sessions", async () => {
    const report = await runCase(vsftpdSteps, built, { seconds: 0.5, pairs: 0, say: quiet });
    assert.equal(report.problems, []);
    assert.equal([report.types, report.globals], [0, 8]);
    assert.equal(
      report.updates.map(({ name, applied }) => [name, applied.functions]),
      [
        ["greedy", 1],
        ["utf8", 3],
        ["deny_file", 1],
        ["filename_pattern", 6],
        ["pam_exec_hang", 2],
        ["pasv_address", 1],
        ["bugfixes_tls_utf8", 3],
      ],
    );
    assert.is(
      report.updates.reduce((sum, { lines }) => sum + lines.cByHand + lines.scriptByHand, 0),
      0,
    );
    for (const { phase, requests } of report.phases) assert.ok(requests > 0, phase);
  });
}

test.run();

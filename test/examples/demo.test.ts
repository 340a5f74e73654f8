// exclusive
// timeout 240s
// may skip: the vsftpd part needs root and Debian's sources of vsftpd
import { test } from "uvu";
import * as assert from "uvu/assert";
import { demonstrateKvserver } from "../../examples/kvserver/demo.js";
import { demonstrateSessions } from "../../examples/sessions/demo.js";
import { demonstrateVsftpd, prepareVsftpd } from "../../examples/vsftpd/demo.js";
import { formatReport, problemsOf } from "../../scripts/demonstration/report.js";

const say = (text: string): void => void process.stdout.write(`${text}\n`);

test("kvserver is updated under load and rolled back", async () => {
  const report = await demonstrateKvserver(1, say);
  say(formatReport(report));
  assert.equal(problemsOf(report), []);
  assert.equal(
    report.answers.map(({ before, updated, after }) => [before, updated, after]),
    [[":81", ":100", ":81"]],
  );
});

test("the data of a server changes under load, and back, and again", async () => {
  const report = await demonstrateSessions(1, say);
  say(formatReport(report));
  assert.equal(problemsOf(report), []);
  assert.equal(
    report.answers.map(({ before, updated, after }) => [before, updated, after]),
    [["-ERR unknown command", ":(milliseconds)", "-ERR unknown command"]],
  );
});

const vsftpd = prepareVsftpd(say);
if ("missing" in vsftpd) {
  say(vsftpd.missing);
  test.skip("vsftpd is updated with all its sessions and rolled back");
} else {
  test("vsftpd is updated with all its sessions and rolled back", async () => {
    const report = await demonstrateVsftpd(vsftpd.folder, 1, say);
    say(formatReport(report));
    assert.equal(problemsOf(report), []);
    assert.ok((report.apply.done?.pids.length ?? 0) > 10);
  });
}

test.run();

/**
 * `scripts/demo`: updates running servers under load and takes the updates back, then says what happened.
 * Exit code 0 only when no request failed and every program answered as it should in each state.
 */
import { demonstrateKvserver } from "../../examples/kvserver/demo.js";
import { demonstrateSessions } from "../../examples/sessions/demo.js";
import { demonstrateVsftpd, prepareVsftpd } from "../../examples/vsftpd/demo.js";
import { formatReport, problemsOf, type DemoReport } from "./report.js";

const quietSeconds = 3;

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

async function main(): Promise<boolean> {
  const reports: DemoReport[] = [
    await demonstrateKvserver(quietSeconds, say),
    await demonstrateSessions(quietSeconds, say),
  ];
  const vsftpd = prepareVsftpd(say);
  if ("missing" in vsftpd) say(`vsftpd: left out: ${vsftpd.missing}`);
  else reports.push(await demonstrateVsftpd(vsftpd.folder, quietSeconds, say));
  for (const report of reports) process.stdout.write(formatReport(report));
  return reports.every((report) => problemsOf(report).length === 0);
}

process.exitCode = (await main()) ? 0 : 1;

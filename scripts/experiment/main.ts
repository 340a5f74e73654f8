/** `scripts/servers run CASE` and `scripts/servers table`. */
import { mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { projectRoot } from "../demonstration/polus.js";
import { cases, type AnyCase } from "./cases.js";
import { describeMachine } from "./machine.js";
import type { CaseReport } from "./run.js";
import { caseSection, summary } from "./table.js";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: "string", default: "5" },
    pairs: { type: "string", default: "16" },
    minutes: { type: "string", default: "90" },
    resume: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
  },
});

function chosen(): readonly AnyCase[] {
  const [command, ...names] = positionals;
  if (command === "table" && names.length === 0) return cases;
  const [name] = names;
  const found = cases.filter((one) => one.name === name);
  if (command === "run" && names.length === 1 && found.length === 1) return found;
  process.stderr.write(
    `usage: scripts/servers run CASE | table [--seconds N] [--pairs N] [--minutes N] [--resume] [--json]\n` +
      `cases: ${cases.map((one) => one.name).join(", ")}\n`,
  );
  process.exit(2);
}

function numberFrom(text: string, name: string): number {
  const number = Number(text);
  if (Number.isFinite(number) && number >= 0) return number;
  process.stderr.write(`--${name} takes a number, not ${text}\n`);
  process.exit(2);
}

const say = (text: string): void => void process.stderr.write(`${text}\n`);
const seconds = numberFrom(values.seconds, "seconds");
const pairs = numberFrom(values.pairs, "pairs");
/** No case is begun after that. */
const end = performance.now() + numberFrom(values.minutes, "minutes") * 60_000;

/** What a case has shown is kept, so that a table that was ended goes on with `--resume`. */
const kept = join(projectRoot, "build/experiment");
const dayMs = 86_400_000;

function keep(report: CaseReport): void {
  mkdirSync(kept, { recursive: true });
  const file = join(kept, `${report.name}.json`);
  writeFileSync(`${file}.new`, JSON.stringify({ seconds, pairs, report }));
  renameSync(`${file}.new`, file);
}

/** Of the last day, of runs of the same length, and without anything that did not hold. */
function keptReport({ name }: AnyCase): CaseReport | null {
  const file = join(kept, `${name}.json`);
  try {
    if (Date.now() - statSync(file).mtimeMs > dayMs) return null;
    // Only `keep` writes there.
    const one = JSON.parse(readFileSync(file, "utf8")) as {
      readonly seconds: number;
      readonly pairs: number;
      readonly report: CaseReport;
    };
    const same = one.seconds === seconds && one.pairs === pairs;
    return same && one.report.problems.length === 0 ? one.report : null;
  } catch {
    return null;
  }
}

let missing = false;
let failed = false;

/** Null: it cannot be run here, failed, or there is no time left. */
async function reportOf(one: AnyCase): Promise<CaseReport | null> {
  const before = values.resume ? keptReport(one) : null;
  if (before !== null) return before;
  if (performance.now() > end) {
    failed = true;
    say(`${one.name}: left out, --minutes is over: go on with --resume`);
    return null;
  }
  try {
    const built = one.prepare({ say, anew: true });
    if ("missing" in built) {
      missing = true;
      say(`${one.name}: ${built.missing}`);
      return null;
    }
    const report = await one.run(built, { seconds, pairs, say });
    keep(report);
    return report;
  } catch (error) {
    // The other cases are worth their figures all the same.
    failed = true;
    say(`${one.name}: failed: ${error instanceof Error ? error.message : String(error)}`);
    return null;
  }
}

const selected = chosen();
const reports: CaseReport[] = [];
if (!values.json) process.stdout.write(`${describeMachine()}\n\n`);
for (const one of selected) {
  const report = await reportOf(one);
  if (report === null) continue;
  reports.push(report);
  failed ||= report.problems.length > 0;
  process.stdout.write(values.json ? `${JSON.stringify(report)}\n` : `${caseSection(report)}\n`);
}
if (!values.json && reports.length > 1) process.stdout.write(summary(reports));
process.exitCode = failed ? 1 : missing ? 3 : 0;

/** `scripts/servers run CASE` and `scripts/servers table`. */
import { parseArgs } from "node:util";
import { cases, type AnyCase } from "./cases.js";
import { describeMachine } from "./machine.js";
import type { CaseReport } from "./run.js";
import { caseSection } from "./table.js";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: "string", default: "5" },
    pairs: { type: "string", default: "40" },
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
    `usage: scripts/servers run CASE | table [--seconds N] [--pairs N] [--json]\n` +
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
let missing = false;
let failed = false;
const selected = chosen();
if (!values.json) process.stdout.write(`${describeMachine()}\n\n`);
for (const one of selected) {
  const built = one.prepare({ say, anew: true });
  if ("missing" in built) {
    missing = true;
    say(`${one.name}: ${built.missing}`);
    continue;
  }
  let report: CaseReport;
  try {
    report = await one.run(built, { seconds, pairs, say });
  } catch (error) {
    // The other cases are worth their figures all the same.
    failed = true;
    say(`${one.name}: failed: ${error instanceof Error ? error.message : String(error)}`);
    continue;
  }
  failed ||= report.problems.length > 0;
  process.stdout.write(values.json ? `${JSON.stringify(report)}\n` : `${caseSection(report)}\n`);
}
process.exitCode = failed ? 1 : missing ? 3 : 0;

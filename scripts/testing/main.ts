/**
 * The test runner: `node dist/scripts/testing/main.js [--root DIR] [WORD]…` runs the test
 * files whose path contains one of the words (all without a word), up to two side by
 * side, and ends with the line `N passed, N failed`.
 *
 * A file that failed is run once more, alone, when all others are done: the tests run
 * real processes against deadlines, and another file's load (or another machine's, on
 * shared hardware) is not their fault. Both runs are printed and the sum names the file.
 * When more than a few failed, none is: that is no accident.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { discoverTestFiles, type TestFile } from "./discover.js";
import { execute, type ExecuteOptions } from "./execute.js";
import { judge, type Ending, type Verdict } from "./verdict.js";

const lanes = 2;

/** With more failed files than this, nothing is run again. */
const mostSecondRuns = 10;

interface Sum {
  passed: number;
  failed: number;
  /** Files that failed beside others and passed alone. */
  readonly onlyAlone: string[];
  /** Files that failed for good, each with what was wrong. */
  readonly failures: { readonly name: string; readonly reasons: readonly string[] }[];
}

/** Faults of the text and processes left behind are nobody else's doing. */
const mayBeLoad = (file: TestFile, ending: Ending): boolean =>
  file.faults.length === 0 && ending.leftBehind.length === 0;

function report(file: TestFile, verdict: Verdict, seconds: number, output: string): void {
  const counts = [`${verdict.passed} passed`];
  if (verdict.failed > 0) counts.push(`${verdict.failed} failed`);
  if (verdict.skipped > 0) counts.push(`${verdict.skipped} skipped`);
  const mark = verdict.failed > 0 ? "FAIL" : "ok  ";
  let text = `${mark} ${file.name}  ${counts.join(", ")} (${seconds.toFixed(1)} s)\n`;
  if (verdict.skipped > 0 && file.maySkip !== null) text += `     skipped: ${file.maySkip}\n`;
  if (verdict.failed > 0) {
    for (const reason of verdict.reasons) text += `     ${reason}\n`;
    text += output.replace(/^(?=.)/gm, "   | ");
    if (!text.endsWith("\n")) text += "\n";
  }
  process.stdout.write(text);
}

/** Runs the files and returns the sum; the exclusive ones come last, one after another. */
async function runFiles(files: readonly TestFile[], options: ExecuteOptions): Promise<Sum> {
  const sum: Sum = { passed: 0, failed: 0, onlyAlone: [], failures: [] };
  const failures: { file: TestFile; verdict: Verdict; again: boolean }[] = [];
  const runOne = async (file: TestFile): Promise<Verdict | null> => {
    if (options.abort.aborted) return null;
    const start = performance.now();
    const ending = await execute(file, options);
    const verdict = judge(ending, file);
    report(file, verdict, (performance.now() - start) / 1000, ending.output);
    if (verdict.failed > 0) failures.push({ file, verdict, again: mayBeLoad(file, ending) });
    return verdict;
  };
  const add = (verdict: Verdict): void => {
    sum.passed += verdict.passed;
    sum.failed += verdict.failed;
  };
  const runFirst = async (file: TestFile): Promise<void> => {
    const verdict = await runOne(file);
    if (verdict?.failed === 0) add(verdict);
  };
  const queue = files.filter((file) => !file.exclusive);
  const lane = async (): Promise<void> => {
    for (let file = queue.shift(); file !== undefined; file = queue.shift()) await runFirst(file);
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  for (const file of files) if (file.exclusive) await runFirst(file);

  const first = failures.splice(0);
  const few = first.length <= mostSecondRuns && !options.abort.aborted;
  for (const { file, verdict, again } of first) {
    if (few && again) process.stdout.write(`Once more, alone: ${file.name}\n`);
    const second = few && again ? await runOne(file) : null;
    const last = second ?? verdict;
    add(last);
    if (last.failed === 0) sum.onlyAlone.push(file.name);
    else sum.failures.push({ name: file.name, reasons: [...last.reasons, ...last.messages] });
  }
  return sum;
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { root: { type: "string", default: "." } },
  });
  const root = resolve(values.root);
  const abort = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.once(signal, () => abort.abort());
  }
  const files = discoverTestFiles(root).filter(
    (file) => positionals.length === 0 || positionals.some((word) => file.name.includes(word)),
  );
  const stateHome = mkdtempSync(join(tmpdir(), "polus-test-state-"));
  const sum = await runFiles(files, { cwd: root, abort: abort.signal, stateHome });
  rmSync(stateHome, { recursive: true, force: true });
  if (files.length === 0) process.stdout.write("No test file matches.\n");
  if (abort.signal.aborted) process.stdout.write("Interrupted before the end.\n");
  for (const name of sum.onlyAlone)
    process.stdout.write(`Failed beside others, passed alone: ${name}\n`);
  // Once more together: hundreds of lines lie between them, and a log may be cut in its middle.
  for (const { name, reasons } of sum.failures)
    process.stdout.write([`Failed: ${name}`, ...reasons].join("\n     ") + "\n");
  const complete = files.length > 0 && !abort.signal.aborted;
  const failed = sum.failed + (complete ? 0 : 1);
  process.stdout.write(`\n${sum.passed} passed, ${failed} failed\n`);
  return failed === 0 && sum.passed > 0 ? 0 : 1;
}

process.exitCode = await main();

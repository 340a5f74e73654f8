/** A thousand updates and rollbacks in a row, under load on 16 threads: failures and memory. */
import { createEngine } from "../../native/native_engine.js";
import { memoryKiB } from "../../test/support/proc.js";
import { basicProgram, basicUpdate } from "../../test/support/programs.js";
import { type TargetProcess, withTarget } from "../../test/support/target_process.js";
import { median, quantile, table } from "./figures.js";
import type { BenchmarkOptions, Findings } from "./main.js";

const early = 100;

interface Memory {
  readonly round: number;
  readonly sizeKiB: number;
  readonly residentKiB: number;
}

function memory(target: TargetProcess, round: number): Memory {
  return {
    round,
    sizeKiB: memoryKiB(target.pid, "VmSize"),
    residentKiB: memoryKiB(target.pid, "VmRSS"),
  };
}

export async function rounds({
  rounds: count = 1000,
  progress,
}: BenchmarkOptions): Promise<Findings> {
  const engine = createEngine();
  const update = basicUpdate();
  const applyMs: number[] = [];
  const rollbackMs: number[] = [];
  const stallUs: number[] = [];
  const memories: Memory[] = [];
  const faults: string[] = [];
  let failures = 0;
  const args = ["--threads=16", "--seconds=1800"];
  const calls = await withTarget(basicProgram(), { args }, async (target) => {
    for (let round = 1; round <= count; round++) {
      if (round % 10 === 0) progress(`rounds: ${round} of ${count}`);
      // As separate runs would: a session of its own each time.
      const session = await engine.open([target.pid], () => undefined);
      try {
        const begin = performance.now();
        const applied = await session.apply(update);
        const between = performance.now();
        const back = await session.rollback();
        applyMs.push(between - begin);
        rollbackMs.push(performance.now() - between);
        stallUs.push(Math.max(applied.stallUsMax, back.stallUsMax));
        if (applied.result !== "done" || back.result !== "done") failures++;
      } finally {
        await session.close();
      }
      if (round === early || round === count) memories.push(memory(target, round));
    }
    const last = await target.freshCounts();
    const counts = last.probes["answer"];
    if (last.errors > 0) faults.push(`the target found ${last.errors} wrong answers`);
    if (counts === undefined || counts.old === 0 || counts.new > 0) {
      faults.push("the target does not run the old version at the end");
    }
    return last.errors;
  });
  if (failures > 0) faults.push(`${failures} rounds failed`);
  const [before, after] = memories;
  if (before && after) {
    if (after.sizeKiB > before.sizeKiB) {
      faults.push(`VmSize grew from ${before.sizeKiB} to ${after.sizeKiB} KiB`);
    }
    // Stacks of threads that were never so deep before may touch a few more pages.
    if (after.residentKiB > before.residentKiB + 64) {
      faults.push(`VmRSS grew from ${before.residentKiB} to ${after.residentKiB} KiB`);
    }
  }
  const rows = (
    [
      ["update, ms", applyMs],
      ["rollback, ms", rollbackMs],
      ["longest hold, us", stallUs],
    ] as const
  ).map(([title, values]) => [
    title,
    median(values).toFixed(2),
    quantile(values, 0.99).toFixed(2),
    Math.max(...values).toFixed(2),
  ]);
  return {
    text: [
      `${count} rounds, ${failures} failed, ${calls} wrong answers.`,
      "",
      table(["", "median", "p99", "most"], rows),
      "",
      table(
        ["memory after", "VmSize KiB", "VmRSS KiB"],
        memories.map((one) => [`round ${one.round}`, `${one.sizeKiB}`, `${one.residentKiB}`]),
      ),
    ].join("\n"),
    data: { rounds: count, failures, wrong_answers: calls, memory: memories },
    faults,
  };
}

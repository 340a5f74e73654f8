/** Activation of one function against five hundred: it must not depend on their number. */
import { runOperation, type UpdateSpec } from "../../test/support/operation.js";
import { buildPatch } from "../../test/support/patches.js";
import {
  buildTarget,
  sleep,
  type TargetProcess,
  withTarget,
} from "../../test/support/target_process.js";
import { median, spread, table } from "./figures.js";
import type { BenchmarkOptions, Findings } from "./main.js";

const counts = [1, 500] as const;
type Count = (typeof counts)[number];

/** Milliseconds, but for what the target saw. */
interface Sample {
  readonly firstApply: number;
  /** From the last preparation to the flip being reported, in the first update. */
  readonly activation: number;
  readonly secondApply: number;
  readonly rollback: number;
  readonly stallUs: number;
  /** Between the first function's flip and the last one's, as seen by a thread of the target. */
  readonly seenSpreadUs: number | null;
}

function updateSpec(count: Count): UpdateSpec {
  const names = Array.from({ length: 500 }, (_, index) => `many_${1000 + index}`);
  return {
    name: `many-${count}`,
    scope: "process",
    patches: [{ name: "many", object: buildPatch("many.c"), replacements: names.slice(0, count) }],
  };
}

interface Timing {
  readonly durationMs: number;
  readonly activationMs: number;
  readonly stallUs: number;
}

async function operate(
  target: TargetProcess,
  what: { operation: "apply"; update: UpdateSpec } | { operation: "rollback" },
): Promise<Timing> {
  const { report } = await runOperation({ pids: [target.pid], ...what });
  if (report?.result !== "done") throw new Error(`${what.operation}: ${JSON.stringify(report)}`);
  const at = report.events.findIndex((event) => event.event === "activated");
  const activated = report.events[at]?.ms ?? Number.NaN;
  const before = report.events[at - 1]?.ms ?? Number.NaN;
  return {
    durationMs: report.durationMs,
    activationMs: activated - before,
    stallUs: report.stallUsMax,
  };
}

async function sample(program: string, count: Count): Promise<Sample> {
  return await withTarget(program, {}, async (target) => {
    await sleep(200);
    const update = updateSpec(count);
    const first = await operate(target, { operation: "apply", update });
    await sleep(50);
    const seen = (await target.ask("spread"))["spread_ns"];
    await operate(target, { operation: "rollback" });
    const second = await operate(target, { operation: "apply", update });
    const back = await operate(target, { operation: "rollback" });
    return {
      firstApply: first.durationMs,
      activation: first.activationMs,
      secondApply: second.durationMs,
      rollback: back.durationMs,
      stallUs: first.stallUs,
      seenSpreadUs: count > 1 && typeof seen === "number" ? seen / 1000 : null,
    };
  });
}

export async function activate({ rounds = 10, progress }: BenchmarkOptions): Promise<Findings> {
  const program = buildTarget({ name: "many" });
  const samples: Record<Count, Sample[]> = { 1: [], 500: [] };
  for (let round = 0; round < rounds; round++) {
    for (const count of round % 2 === 0 ? counts : [...counts].reverse()) {
      progress(`activate: ${count} functions, round ${round + 1} of ${rounds}`);
      samples[count].push(await sample(program, count));
    }
  }
  const figures = [
    ["activation, ms", (one: Sample) => one.activation],
    ["first update in all, ms", (one: Sample) => one.firstApply],
    ["update with its image still there, ms", (one: Sample) => one.secondApply],
    ["rollback, ms", (one: Sample) => one.rollback],
    ["longest hold of the first update, us", (one: Sample) => one.stallUs],
  ] as const;
  const rows = figures.map(([title, pick]) => {
    const [one, many] = [samples[1].map(pick), samples[500].map(pick)];
    const noise = Math.max(spread(one), spread(many));
    return [title, ...[median(one), median(many), noise].map((value) => value.toFixed(3))];
  });
  const seen = samples[500].flatMap((one) => (one.seenSpreadUs === null ? [] : one.seenSpreadUs));
  const activation = (count: Count): number[] => samples[count].map((one) => one.activation);
  const difference = Math.abs(median(activation(500)) - median(activation(1)));
  const noise = Math.max(spread(activation(1)), spread(activation(500)), 0.05);
  const faults =
    difference > noise
      ? [`activations differ by ${difference.toFixed(3)} ms, noise ${noise.toFixed(3)} ms`]
      : [];
  return {
    text: [
      `Medians of ${rounds} rounds; noise is half the distance between the quartiles.`,
      "",
      table(["", "1 function", "500 functions", "noise"], rows),
      "",
      `First and last of 500 functions flipped ${median(seen).toFixed(1)} us apart, seen by a thread of the target.`,
    ].join("\n"),
    data: { rounds, samples, difference_ms: difference, noise_ms: noise },
    faults,
  };
}

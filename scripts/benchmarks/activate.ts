/** Activation of one function against five hundred: it must not depend on their number. */
import type { OperationResult, Session, UpdateRequest } from "../../native/engine.js";
import { createEngine } from "../../native/native_engine.js";
import { buildPatch, simpleUpdate } from "../../test/support/patches.js";
import {
  buildTarget,
  sleep,
  type TargetProcess,
  withTarget,
} from "../../test/support/target_process.js";
import { median, spread, table } from "./figures.js";
import type { BenchmarkOptions, Findings } from "./main.js";

const engine = createEngine();
const warmUpRounds = 3;

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

function updateOf(count: Count): UpdateRequest {
  const names = Array.from({ length: 500 }, (_, index) => `many_${1000 + index}`);
  return simpleUpdate(`many-${count}`, buildPatch("many.c"), names.slice(0, count));
}

interface Timing {
  readonly durationMs: number;
  readonly activationMs: number;
  readonly stallUs: number;
}

/** In this process, so that the engine's own code is compiled and warm in all rounds but the first. */
async function operate(
  target: TargetProcess,
  work: (session: Session) => Promise<OperationResult>,
): Promise<Timing> {
  let before = Number.NaN;
  let activated = Number.NaN;
  let last = Number.NaN;
  const begin = performance.now();
  const session = await engine.open([target.pid], ({ event }) => {
    const now = performance.now();
    if (event === "activated") [before, activated] = [last, now];
    last = now;
  });
  try {
    const result = await work(session);
    if (result.result !== "done") throw new Error("an operation was skipped");
    return {
      durationMs: performance.now() - begin,
      activationMs: activated - before,
      stallUs: result.stallUsMax,
    };
  } finally {
    await session.close();
  }
}

async function sample(program: string, count: Count): Promise<Sample> {
  return await withTarget(program, {}, async (target) => {
    await sleep(200);
    const update = updateOf(count);
    const apply = (session: Session): Promise<OperationResult> => session.apply(update);
    const rollback = (session: Session): Promise<OperationResult> => session.rollback();
    const first = await operate(target, apply);
    await sleep(50);
    const seen = (await target.ask("spread"))["spread_ns"];
    await operate(target, rollback);
    const second = await operate(target, apply);
    const back = await operate(target, rollback);
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
  for (let round = -warmUpRounds; round < rounds; round++) {
    for (const count of round % 2 === 0 ? counts : [...counts].reverse()) {
      progress(`activate: ${count} functions, round ${round + 1} of ${rounds}`);
      const one = await sample(program, count);
      if (round >= 0) samples[count].push(one);
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

/** A million objects converted under load: how long, how long anybody waits, what coexistence costs. */
import { buildRuntimeProgram, runWithRuntime } from "../../test/support/runtime_programs.js";
import { convertLive } from "./convert_live.js";
import { median, spread, table } from "./figures.js";
import type { BenchmarkOptions, Findings } from "./main.js";

const objects = 1_000_000;
const workers = 2;
/** The bounds: no thread waits for longer, and the program is at most so much slower. */
const mostWaitMs = 10;
const mostSlowdown = 2;

type Sample = Readonly<Record<string, number>>;

export async function convert({ rounds = 5, progress }: BenchmarkOptions): Promise<Findings> {
  const program = buildRuntimeProgram("convert");
  const samples: Sample[] = [];
  for (let round = 0; round < rounds; round++) {
    progress(`convert: round ${round + 1} of ${rounds}`);
    const end = runWithRuntime(program, [String(objects), String(workers)], 300_000);
    if (end.status !== 0) throw new Error(`${program} failed: ${end.stderr}`);
    samples.push(JSON.parse(end.stdout) as Sample);
  }
  const all = (name: string): number[] => samples.map((one) => one[name] ?? Number.NaN);
  const ratios = (name: string, to: string): number[] =>
    samples.map((one) => (one[name] ?? Number.NaN) / (one[to] ?? Number.NaN));
  const row = (title: string, values: readonly number[]): string[] => [
    title,
    median(values).toFixed(2),
    spread(values).toFixed(2),
  ];
  const slowdown = ratios("rate_before", "rate_coherent");
  const wait = median(all("longest_while_converting_ms"));
  const faults = [];
  // A machine that makes the program wait for any third thread says nothing of us.
  const beside = ["longest_beside_ms", "longest_beside_fresh_ms"].map((name) => median(all(name)));
  if (wait > Math.max(mostWaitMs, ...beside)) {
    faults.push(`a thread waited for ${wait.toFixed(1)} ms while objects were converted`);
  }
  if (median(slowdown) > mostSlowdown) {
    faults.push(`the program is ${median(slowdown).toFixed(2)} times slower in coexistence`);
  }
  const live = await convertLive(objects, Math.min(rounds, 3), progress);
  if (live.meanwhile > Math.max(mostWaitMs, live.beside)) {
    faults.push(
      `a thread waited for ${live.meanwhile.toFixed(1)} ms while the update was applied or taken back`,
    );
  }
  return {
    text: [
      `${objects} objects, ${workers} threads that work with them; medians of ${rounds} rounds.`,
      "",
      table(
        ["", "median", "noise"],
        [
          row("plain loop that copies as much, ms", all("plain_ms")),
          row("naming them by an `each` function, ms", all("visit_ms")),
          row("making them known and converting, in slices, ms", all("convert_ms")),
          row("ending coexistence, in slices, ms", all("end_ms")),
          row("longest slice, ms", all("longest_slice_ms")),
          row("longest wait of a thread before, ms", all("longest_before_ms")),
          row("longest wait beside a plain loop in slices, ms", all("longest_beside_ms")),
          row(
            "longest wait beside one that fills and gives back fresh memory, ms",
            all("longest_beside_fresh_ms"),
          ),
          row("longest wait of a thread while converting, ms", all("longest_while_converting_ms")),
          row("requests a ms before, against in coexistence", slowdown),
          row(
            "requests a ms before, against after completion",
            ratios("rate_before", "rate_after"),
          ),
        ],
      ),
      "",
      live.text,
    ].join("\n"),
    data: { objects, workers, samples, live: live.data },
    faults,
  };
}

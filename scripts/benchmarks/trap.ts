/** One caught store against the least that a handler of SIGSEGV can do, and one in a stub, in turns in one process. */
import { buildRuntimeProgram, runWithRuntime } from "../../test/support/runtime_programs.js";
import { median, spread, table } from "./figures.js";
import type { BenchmarkOptions, Findings } from "./main.js";

const stores = 20_000;
/** The bound for a caught store, as a multiple of the bare handler. */
const mostRatio = 1.3;
/** The bound for a store in a stub, nanoseconds. */
const mostDirect = 50;

export async function trap({ rounds = 30, progress }: BenchmarkOptions): Promise<Findings> {
  const program = buildRuntimeProgram("trap");
  progress(`trap: ${rounds} rounds of ${stores} stores`);
  const end = runWithRuntime(program, [String(rounds), String(stores)], 300_000);
  if (end.status !== 0) throw new Error(`${program} failed: ${end.stderr}`);
  const samples = end.stdout
    .trim()
    .split("\n")
    .map((line) => line.split(" ").map(Number))
    .map(([bare = Number.NaN, caught = Number.NaN, direct = Number.NaN, beside = Number.NaN]) => ({
      bare,
      caught,
      direct,
      beside,
    }));
  const of = (name: "bare" | "caught" | "direct" | "beside"): number[] =>
    samples.map((one) => one[name]);
  const ratios = samples.map((one) => one.caught / one.bare);
  const ratio = median(ratios);
  const row = (title: string, values: readonly number[], digits: number): string[] => [
    title,
    median(values).toFixed(digits),
    spread(values).toFixed(digits),
  ];
  return {
    text: [
      `Medians of ${rounds} rounds of ${stores} stores; noise is half the distance between the quartiles.`,
      "",
      table(
        ["", "median", "noise"],
        [
          row("bare handler of SIGSEGV, ns", of("bare"), 0),
          row("store that is caught and carried over, ns", of("caught"), 0),
          row("ratio within a round", ratios, 2),
          row("the same store rewritten, ns", of("direct"), 0),
          row("a rewritten store to what lies beside the object, ns", of("beside"), 0),
        ],
      ),
    ].join("\n"),
    data: { rounds, samples, ratio },
    faults: [
      ...(ratio > mostRatio
        ? [`a caught store costs ${ratio.toFixed(2)} bare handlers, not ${mostRatio}`]
        : []),
      ...(median(of("direct")) > mostDirect
        ? [`a rewritten store costs ${median(of("direct")).toFixed(0)} ns, not ${mostDirect}`]
        : []),
    ],
  };
}

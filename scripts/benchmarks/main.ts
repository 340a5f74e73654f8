/**
 * `scripts/bench NAME`: runs one benchmark and prints its tables, or with
 * `--json` one JSON object. The exit code is 1 when a requirement is not met.
 */
import { parseArgs } from "node:util";

/** What a benchmark found. */
export interface Findings {
  /** For people: headed tables and remarks. */
  readonly text: string;
  readonly data: object;
  /** Requirements that do not hold; empty when all do. */
  readonly faults: readonly string[];
}

export interface BenchmarkOptions {
  /** How often everything is repeated; `undefined`: the benchmark's own choice. */
  readonly rounds: number | undefined;
  /** Called with what is being done, for a person who waits. */
  readonly progress: (text: string) => void;
}

export type Benchmark = (options: BenchmarkOptions) => Promise<Findings>;

/** Loaded when needed: each builds its targets. */
const benchmarks: Readonly<Record<string, () => Promise<Benchmark>>> = {
  stall: async () => (await import("./stall.js")).stall,
  activate: async () => (await import("./activate.js")).activate,
  rounds: async () => (await import("./rounds.js")).rounds,
  check: async () => (await import("./check.js")).check,
  trap: async () => (await import("./trap.js")).trap,
  convert: async () => (await import("./convert.js")).convert,
  coherence: async () => (await import("./coherence.js")).coherence,
  repl: async () => (await import("./repl.js")).repl,
  kill: async () => (await import("./kill.js")).kill,
  patchgen: async () => (await import("./patchgen.js")).patchgen,
};

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { rounds: { type: "string" }, json: { type: "boolean", default: false } },
  });
  const [name, ...more] = positionals;
  const load = name === undefined ? undefined : benchmarks[name];
  const rounds = values.rounds === undefined ? undefined : Number(values.rounds);
  if (load === undefined || more.length > 0 || Number.isNaN(rounds)) {
    process.stderr.write(
      `usage: scripts/bench ${Object.keys(benchmarks).join("|")} [--rounds N] [--json]\n`,
    );
    return 2;
  }
  const progress = (text: string): void => {
    if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
  };
  const run = await load();
  const findings = await run({ rounds, progress });
  progress("");
  process.stdout.write(
    values.json
      ? `${JSON.stringify({ benchmark: name, ...findings.data, faults: findings.faults })}\n`
      : `${findings.text}\n`,
  );
  for (const fault of findings.faults) process.stderr.write(`not met: ${fault}\n`);
  return findings.faults.length === 0 ? 0 : 1;
}

process.exitCode = await main();

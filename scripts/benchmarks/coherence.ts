/** A minute of coexistence under sixteen threads, and a hundred updates and rollbacks in turn. */
import { buildRuntimeProgram, runWithRuntime } from "../../test/support/runtime_programs.js";
import type { BenchmarkOptions, Findings } from "./main.js";

const seconds = 60;
const leastWrites = 100_000;

/** Seconds, updates and rollbacks in them, and in every how many of them a child is forked. */
const runs = [
  [seconds, 1, 0],
  [seconds, 100, 3],
] as const;

export async function coherence({ progress }: BenchmarkOptions): Promise<Findings> {
  const program = buildRuntimeProgram("stress");
  const faults: string[] = [];
  const lines: string[] = [];
  for (const [time, rounds, children] of runs) {
    const what =
      rounds === 1 ? `${time} s of coexistence` : `${rounds} updates and rollbacks in ${time} s`;
    progress(`coherence: ${what}`);
    const end = runWithRuntime(program, [time, rounds, children].map(String), 300_000);
    const words = [...end.stdout.matchAll(/writes old (\d+) new (\d+)/g)][0] ?? [];
    const [old, young] = [Number(words[1]), Number(words[2])];
    lines.push(`${what}: ${end.stdout.trim()}`);
    if (end.status !== 0) faults.push(`${what}: ${end.stderr.trim() || "something was lost"}`);
    if (!(old > leastWrites && young > leastWrites))
      faults.push(`${what}: too few writes to mean anything`);
  }
  return { text: lines.join("\n"), data: { lines }, faults };
}

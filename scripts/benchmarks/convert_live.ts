/** The same by `polus run`, in a program of its own: an update of a million objects, and taking it back. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildPatch } from "../../test/support/patches.js";
import { targetSource } from "../../test/support/repository.js";
import {
  buildTarget,
  sleep,
  withTarget,
  type TargetProcess,
} from "../../test/support/target_process.js";
import { polus } from "../demonstration/polus.js";
import { median, spread, table } from "./figures.js";

const quietMs = 2_000;
const busyMs = 5_000;
/** The longest wait grows with the time: about as long as the update takes. */
const churnMs = 15_000;

function script(executable: string): string {
  const object = buildPatch(targetSource("data/crowd_v2.c"));
  return `update crowd "sessions count further" {
  target {
    exe ${JSON.stringify(executable)}
  }

  patch sessions from ${JSON.stringify(object)} {
    replace session_hit
    replace session_hits

    data session {
      each sessions_each
      size 48, 80
      forward session_up
      backward session_down
    }
  }
}
`;
}

async function run(...words: readonly string[]): Promise<void> {
  const { exitCode, errors } = await polus(...words);
  if (exitCode !== 0) throw new Error(`polus ${words.join(" ")} ended with ${exitCode}: ${errors}`);
}

/** The longest wait of a thread, and the longest of what was no want of a processor, milliseconds. */
interface Waits {
  readonly all: number;
  readonly held: number;
}

/** What the program has seen while something was done. */
interface Seen {
  readonly ms: number;
  readonly worker: Waits;
  readonly sleeper: Waits;
}

async function during(target: TargetProcess, work: () => Promise<unknown>): Promise<Seen> {
  await target.ask("gaps");
  const began = performance.now();
  await work();
  const ms = performance.now() - began;
  const seen = await target.ask("gaps");
  const waits = (of: string): Waits => ({
    all: Number(seen[`${of}_ns`]) / 1e6,
    held: Number(seen[`${of}_held_ns`]) / 1e6,
  });
  return { ms, worker: waits("worker"), sleeper: waits("sleeper") };
}

const phases = [
  "nothing is done",
  "another process computes",
  "it changes as much memory itself",
  "the update is applied",
  "it is rolled back",
] as const;

/** What any third thread makes a program wait for on this machine. */
function compute(ms: number): Promise<void> {
  for (const began = performance.now(); performance.now() - began < ms;) continue;
  return Promise.resolve();
}

/** What `convert` adds to its findings. */
export interface LiveFindings {
  readonly text: string;
  readonly data: object;
  /** The longest that a thread was kept waiting, medians over the rounds, milliseconds: by what else there is … */
  readonly beside: number;
  /** … and by the update. */
  readonly meanwhile: number;
}

export async function convertLive(
  objects: number,
  rounds: number,
  progress: (text: string) => void,
): Promise<LiveFindings> {
  const program = buildTarget({ name: "crowd", sources: ["data/crowd.c"] });
  const folder = mkdtempSync(join(tmpdir(), "polus-convert-"));
  const update = join(folder, "crowd.polus");
  writeFileSync(update, script(program));
  const seen: (readonly Seen[])[] = [];
  try {
    for (let round = 0; round < rounds; round++) {
      progress(`convert, by polus run: round ${round + 1} of ${rounds}`);
      const options = { args: [`--objects=${objects}`], patienceMs: 300_000 };
      await withTarget(program, options, async (target) => {
        const pid = String(target.pid);
        seen.push([
          await during(target, () => sleep(quietMs)),
          await during(target, () => compute(busyMs)),
          await during(target, () => target.ask(`churn ${churnMs}`)),
          await during(target, () => run("run", update, "--pid", pid, "--yes")),
          await during(target, () => run("rollback", "--pid", pid)),
        ]);
      });
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
  const all = (phase: number, of: (one: Seen) => number): number[] =>
    seen.map((round) => {
      const one = round[phase];
      return one === undefined ? Number.NaN : of(one);
    });
  const cells = (values: readonly number[]): readonly string[] => [
    median(values).toFixed(1),
    spread(values).toFixed(1),
  ];
  const worst = ({ worker, sleeper }: Seen): number => Math.max(worker.all, sleeper.all);
  const [, computing, churning, applying, undoing] = phases.map((_, phase) =>
    median(all(phase, worst)),
  );
  return {
    text: [
      `By polus run, in another program with as many objects; medians of ${rounds} rounds, milliseconds.`,
      "Held is what a thread did not wait for a processor.",
      "",
      table(
        [
          ...["while", "it takes", "noise", "longest wait of a worker", "noise", "held", "noise"],
          ...["of a sleeper", "noise", "held", "noise"],
        ],
        phases.map((name, phase) => [
          name,
          ...cells(all(phase, ({ ms }) => ms)),
          ...cells(all(phase, ({ worker }) => worker.all)),
          ...cells(all(phase, ({ worker }) => worker.held)),
          ...cells(all(phase, ({ sleeper }) => sleeper.all)),
          ...cells(all(phase, ({ sleeper }) => sleeper.held)),
        ]),
      ),
    ].join("\n"),
    data: { rounds: seen },
    beside: Math.max(computing ?? 0, churning ?? 0),
    meanwhile: Math.max(applying ?? 0, undoing ?? 0),
  };
}

/** The same by the engine, in a program of its own: an update of a million objects, and taking it back. */
import type { DataRequest, UpdateRequest } from "../../native/engine.js";
import { rollback, withSession } from "../../test/support/engine_session.js";
import { buildPatch, patch, update } from "../../test/support/patches.js";
import { targetSource } from "../../test/support/repository.js";
import {
  buildTarget,
  sleep,
  withTarget,
  type TargetProcess,
} from "../../test/support/target_process.js";
import { median, spread, table } from "./figures.js";

const quietMs = 2_000;
const busyMs = 5_000;

/** Bytes of struct session and of its second version. */
const sizes = { old: 48, new: 80 };

const session: DataRequest = {
  name: "session",
  objects: { kind: "each", each: { name: "sessions_each" }, size: () => sizes },
  forward: "session_up",
  backward: "session_down",
};

function crowdUpdate(): UpdateRequest {
  const object = buildPatch(targetSource("data/crowd_v2.c"));
  return update("crowd", [patch("data", object, ["session_hit", "session_hits"], [session])]);
}

/** What the program has seen while something was done. */
interface Seen {
  readonly ms: number;
  readonly workerMs: number;
  readonly sleeperMs: number;
}

async function during(target: TargetProcess, work: () => Promise<unknown>): Promise<Seen> {
  await target.ask("gaps");
  const began = performance.now();
  await work();
  const ms = performance.now() - began;
  const { worker_ns: worker, sleeper_ns: sleeper } = await target.ask("gaps");
  return { ms, workerMs: Number(worker) / 1e6, sleeperMs: Number(sleeper) / 1e6 };
}

const phases = [
  "nothing is done",
  "another process computes",
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
  /** The longest that a thread was kept waiting, medians over the rounds, milliseconds: beside a busy process … */
  readonly beside: number;
  /** … and by the engine. */
  readonly meanwhile: number;
}

export async function convertLive(
  objects: number,
  rounds: number,
  progress: (text: string) => void,
): Promise<LiveFindings> {
  const program = buildTarget({ name: "crowd", sources: ["data/crowd.c"] });
  const request = crowdUpdate();
  const seen: (readonly Seen[])[] = [];
  for (let round = 0; round < rounds; round++) {
    progress(`convert, by the engine: round ${round + 1} of ${rounds}`);
    const options = { args: [`--objects=${objects}`], patienceMs: 300_000 };
    await withTarget(program, options, async (target) => {
      seen.push([
        await during(target, () => sleep(quietMs)),
        await during(target, () => compute(busyMs)),
        await during(target, () => withSession(target.pid, (session) => session.apply(request))),
        await during(target, () => rollback(target.pid)),
      ]);
    });
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
  const worst = ({ workerMs, sleeperMs }: Seen): number => Math.max(workerMs, sleeperMs);
  return {
    text: [
      `By the engine, in another program with as many objects; medians of ${rounds} rounds, milliseconds.`,
      "",
      table(
        [
          "while",
          "it takes",
          "noise",
          "longest wait of a worker",
          "noise",
          "of a sleeper",
          "noise",
        ],
        phases.map((name, phase) => [
          name,
          ...cells(all(phase, ({ ms }) => ms)),
          ...cells(all(phase, ({ workerMs }) => workerMs)),
          ...cells(all(phase, ({ sleeperMs }) => sleeperMs)),
        ]),
      ),
    ].join("\n"),
    data: { rounds: seen },
    beside: median(all(1, worst)),
    meanwhile: Math.max(median(all(2, worst)), median(all(3, worst))),
  };
}

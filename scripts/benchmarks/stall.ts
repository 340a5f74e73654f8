/**
 * How long a busy thread of the target itself sees itself held: by a first
 * update, a second one of the same function and a rollback, against a bare stop
 * of all threads (test/targets/yardstick.c) and against nothing being done. All
 * have the same time to be noticed in, in the same target, in changing order.
 */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { prepareOperation, type UpdateSpec } from "../../test/support/operation.js";
import { buildPatch } from "../../test/support/patches.js";
import { buildTracer } from "../../test/support/programs.js";
import { runTool } from "../../test/support/toolchain.js";
import {
  buildTarget,
  sleep,
  type TargetProcess,
  withTarget,
} from "../../test/support/target_process.js";
import { median, quantile, table } from "./figures.js";
import type { BenchmarkOptions, Findings } from "./main.js";

const threadCounts = [1, 16, 64, 256] as const;
/** Shorter than what makes the kernel take a real-time thread off its processor. */
const windowMs = 600;
const pauseMs = 150;
/** Everything that is not the meter runs there. */
const workCpu = 0;

const kinds = ["control", "yardstick", "first", "second", "rollback"] as const;
type Kind = (typeof kinds)[number];

const titles: Readonly<Record<Kind, string>> = {
  control: "nothing done",
  yardstick: "bare stop, 5 bytes",
  first: "first update",
  second: "second update",
  rollback: "rollback",
};

const runFile = promisify(execFile);

function updateSpec(name: string, replacement: string): UpdateSpec {
  return {
    name,
    scope: "process",
    patches: [
      {
        name,
        object: buildPatch("stall.c"),
        replacements: [{ function: "work", with: replacement }],
      },
    ],
  };
}

/** Run-time address of `work`; the program is linked at a fixed address. */
function addressOfWork(program: string): string {
  const found = /^([0-9a-f]+) [Tt] work$/m.exec(runTool("nm", [program]));
  if (found?.[1] === undefined) throw new Error("no symbol work");
  return `0x${found[1]}`;
}

/** Something to be measured, made ready beforehand. */
type Event = () => Promise<() => Promise<unknown>>;

/** Longest gap in microseconds seen while an event went on, in a window of fixed length. */
async function longestGap(target: TargetProcess, prepare: Event): Promise<number> {
  const event = await prepare();
  await sleep(pauseMs);
  await target.ask("meter-start");
  const over = sleep(windowMs);
  await sleep(20);
  await event();
  await over;
  const reply = await target.ask("meter-stop");
  const gap = reply["longest_gap_ns"];
  if (typeof gap !== "number") throw new TypeError("the meter gave no number");
  return gap / 1000;
}

async function operation(
  target: TargetProcess,
  what: { operation: "apply"; update: UpdateSpec } | { operation: "rollback" },
): Promise<() => Promise<unknown>> {
  const prepared = await prepareOperation({ pids: [target.pid], ...what }, { cpu: workCpu });
  return async () => {
    const ending = await prepared.run();
    if (ending.report?.result !== "done") {
      throw new Error(`${what.operation} failed: ${JSON.stringify(ending)}`);
    }
  };
}

function events(
  target: TargetProcess,
  yardstick: string,
  address: string,
): Readonly<Record<Kind, Event>> {
  const bareStop = ["-c", String(workCpu), yardstick, String(target.pid), address];
  return {
    control: () => Promise.resolve(() => Promise.resolve()),
    yardstick: () => Promise.resolve(() => runFile("taskset", bareStop)),
    first: () => operation(target, { operation: "apply", update: updateSpec("first", "work") }),
    second: () =>
      operation(target, { operation: "apply", update: updateSpec("second", "work_third") }),
    rollback: () => operation(target, { operation: "rollback" }),
  };
}

/** The order within one round: what is compared comes now before, now after. */
function order(round: number): readonly Kind[] {
  const updates: readonly Kind[] = ["first", "second", "rollback"];
  return round % 2 === 0
    ? ["control", "yardstick", ...updates]
    : [...updates, "yardstick", "control"];
}

export async function stall({ rounds = 10, progress }: BenchmarkOptions): Promise<Findings> {
  const program = buildTarget({ name: "stall", flags: ["-fno-pie", "-no-pie"] });
  const yardstick = buildTracer("yardstick");
  const address = addressOfWork(program);
  const faults: string[] = [];
  const rows: string[][] = [];
  const data: Record<
    string,
    Record<Kind, { median_us: number; p90_us: number; all: number[] }>
  > = {};
  let realTime = true;
  for (const threads of threadCounts) {
    const gaps: Record<Kind, number[]> = {
      control: [],
      yardstick: [],
      first: [],
      second: [],
      rollback: [],
    };
    for (let round = 0; round < rounds; round++) {
      progress(`stall: ${threads} threads, round ${round + 1} of ${rounds}`);
      await withTarget(program, { args: [`--threads=${threads}`] }, async (target) => {
        await sleep(100);
        const event = events(target, yardstick, address);
        for (const kind of order(round)) gaps[kind].push(await longestGap(target, event[kind]));
        realTime &&= (await target.state()).counters["real_time"] === 1;
      });
    }
    const middle = (kind: Kind): number => median(gaps[kind]);
    const ratio = middle("first") / middle("yardstick");
    for (const kind of kinds) {
      rows.push([
        `${threads} threads, ${titles[kind]}`,
        middle(kind).toFixed(0),
        quantile(gaps[kind], 0.9).toFixed(0),
        (middle(kind) / middle("yardstick")).toFixed(2),
      ]);
    }
    const figures = (kind: Kind): { median_us: number; p90_us: number; all: number[] } => ({
      median_us: middle(kind),
      p90_us: quantile(gaps[kind], 0.9),
      all: gaps[kind],
    });
    data[String(threads)] = {
      control: figures("control"),
      yardstick: figures("yardstick"),
      first: figures("first"),
      second: figures("second"),
      rollback: figures("rollback"),
    };
    // Where next to nothing is seen, the ratio of two noises says nothing.
    const noise = quantile(gaps.control, 0.9);
    if (ratio > 1.5 && middle("first") > noise) {
      faults.push(`${threads} threads: ${ratio.toFixed(2)} times the yardstick (at most 1.5)`);
    }
    if (threads === 64 && middle("first") > 1000) {
      faults.push(`64 threads: ${middle("first").toFixed(0)} us (at most 1000)`);
    }
  }
  const remark = realTime
    ? "The meter ran at a real-time priority."
    : "The meter could not have a real-time priority: other programs disturb it.";
  return {
    text: [
      `Longest gap seen by a busy thread of the target, ${rounds} rounds, windows of ${windowMs} ms.`,
      remark,
      "",
      table(["", "median us", "p90 us", "to yardstick"], rows),
    ].join("\n"),
    data: { rounds, window_ms: windowMs, real_time: realTime, threads: data },
    faults,
  };
}

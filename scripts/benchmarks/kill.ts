/**
 * `polus run` and `polus rollback` are killed at random times and at every one
 * of their fault points, and stopped at each. After each blow the target must
 * serve, wholly old or wholly new, and `polus status`, `recover` and `rollback`
 * must work.
 */
import { spawn } from "node:child_process";
import { copyFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { buildPatch } from "../../test/support/patches.js";
import { threadStates } from "../../test/support/proc.js";
import { repositoryRoot } from "../../test/support/repository.js";
import { buildTarget, sleep, TargetProcess } from "../../test/support/target_process.js";
import { scratchFolder } from "../../test/support/toolchain.js";
import { median, table } from "./figures.js";
import type { BenchmarkOptions, Findings } from "./main.js";

const targetArgs = ["--threads=16", "--seconds=3600"];
const mostPoints = 1000;

interface CommandEnding {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly ms: number;
  /** From the first line of output on: when the target is being worked on. */
  readonly workMs: number;
  readonly output: string;
}

interface Blow {
  readonly killAfterMs?: number;
  /** That long after the first line of output. */
  readonly killAtWorkMs?: number;
  readonly fault?: string;
}

/** Runs the real command. */
async function polus(args: readonly string[], blow: Blow = {}): Promise<CommandEnding> {
  const begin = performance.now();
  const child = spawn(process.execPath, [join(repositoryRoot, "bin", "polus"), ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...(blow.fault === undefined ? {} : { POLUS_FAULT: blow.fault }) },
  });
  let output = "";
  let workBegan: number | null = null;
  const timers = [setTimeout(() => child.kill("SIGKILL"), blow.killAfterMs ?? 60_000)];
  child.stdout.on("data", (text: Buffer) => {
    output += text.toString();
    if (workBegan !== null) return;
    workBegan = performance.now();
    if (blow.killAtWorkMs === undefined) return;
    timers.push(setTimeout(() => child.kill("SIGKILL"), blow.killAtWorkMs));
  });
  child.stderr.on("data", (text: Buffer) => (output += text.toString()));
  return await new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => {
      for (const timer of timers) clearTimeout(timer);
      const now = performance.now();
      resolve({ code, signal, ms: now - begin, workMs: now - (workBegan ?? now), output });
    });
  });
}

/** What a blow can leave behind, counted. */
interface Tally {
  blows: number;
  /** Polus was through before the blow fell. */
  missed: number;
  old: number;
  new: number;
  interrupted: number;
}

function emptyTally(): Tally {
  return { blows: 0, missed: 0, old: 0, new: 0, interrupted: 0 };
}

class Bench {
  readonly tallies = new Map<string, Tally>();
  readonly faults: string[] = [];
  private target: TargetProcess | null = null;
  private readonly folder = scratchFolder();
  private readonly program = buildTarget({ name: "forever" });

  constructor() {
    copyFileSync(buildPatch("forever.c"), join(this.folder, "forever.so"));
    writeFileSync(
      this.script,
      `update killed "replaces work and step" {
  target { exe "forever" }
  patch fix from "forever.so" { replace work replace step }
}
`,
    );
  }

  private get script(): string {
    return join(this.folder, "killed.polus");
  }

  /** A living target; a fresh one when `fresh`, so that the first installation comes again. */
  async living(fresh: boolean): Promise<TargetProcess> {
    if (this.target !== null && (fresh || !this.target.alive)) await this.end();
    this.target ??= await TargetProcess.start(this.program, { args: targetArgs });
    return this.target;
  }

  async end(): Promise<void> {
    const target = this.target;
    this.target = null;
    if (target === null) return;
    try {
      const last = await target.quit();
      if (last.verdict !== "clean") this.faults.push(`the target found: ${last.firstError}`);
    } catch (error) {
      this.faults.push(error instanceof Error ? error.message : String(error));
    } finally {
      await target.kill();
    }
  }

  async dispose(): Promise<void> {
    await this.end();
    rmSync(this.folder, { recursive: true, force: true });
  }

  run(target: TargetProcess, blow?: Blow): Promise<CommandEnding> {
    return polus(["run", this.script, "--pid", String(target.pid), "--yes", "--json"], blow);
  }

  rollback(target: TargetProcess, blow?: Blow): Promise<CommandEnding> {
    return polus(["rollback", "--pid", String(target.pid), "--json"], blow);
  }

  /** Requires a command to succeed. */
  async must(what: string, ending: Promise<CommandEnding>): Promise<CommandEnding> {
    const { code, output, ...rest } = await ending;
    if (code !== 0) this.faults.push(`${what}: exit code ${code}: ${output.trim().slice(-400)}`);
    return { code, output, ...rest };
  }

  /** Which version all of the target's calls reach now; a fault when they differ. */
  async version(target: TargetProcess, where: string): Promise<"old" | "new"> {
    const state = await target.freshCounts(60);
    if (state.errors > 0) this.faults.push(`${where}: ${state.firstError}`);
    const counts = ["work", "step"].map((name) => state.probes[name]);
    const olds = counts.filter((one) => (one?.old ?? 0) > 0).length;
    const news = counts.filter((one) => (one?.new ?? 0) > 0).length;
    if (olds + news !== 2 || (olds !== 2 && news !== 2)) {
      this.faults.push(`${where}: ${olds} functions run old code, ${news} new`);
    }
    return news > 0 ? "new" : "old";
  }

  /** Looks at what a blow left, and mends it. */
  async examine(target: TargetProcess, kind: string, ending: CommandEnding): Promise<void> {
    const tally = this.tallies.get(kind) ?? emptyTally();
    this.tallies.set(kind, tally);
    tally.blows++;
    if (ending.signal === null) tally.missed++;
    const where = `${kind}, blow ${tally.blows}`;
    if (!target.alive) {
      this.faults.push(`${where}: the target is gone (${target.exit})`);
      return;
    }
    if (threadStates(target.pid).includes("t")) this.faults.push(`${where}: a thread is held`);
    tally[await this.version(target, where)]++;
    const status = await this.must(
      `${where}: status`,
      polus(["status", "--pid", String(target.pid), "--json"]),
    );
    if (status.output.includes('"interrupted"')) tally.interrupted++;
    // Now by recover, now by what a rollback or another run does by itself.
    if (tally.blows % 3 === 0) {
      await this.must(
        `${where}: recover`,
        polus(["recover", "--pid", String(target.pid), "--json"]),
      );
    } else if (tally.blows % 3 === 1) {
      await this.must(`${where}: run`, this.run(target));
      if ((await this.version(target, where)) !== "new") this.faults.push(`${where}: not new`);
    }
    await this.must(`${where}: rollback`, this.rollback(target));
    if ((await this.version(target, where)) !== "old") this.faults.push(`${where}: not old`);
  }
}

interface Usual {
  readonly ms: number;
  readonly workMs: number;
}

/** How long the two commands take, so that blows fall anywhere within. */
async function durations(bench: Bench): Promise<Record<"run" | "rollback", Usual>> {
  const endings: Record<"run" | "rollback", CommandEnding[]> = { run: [], rollback: [] };
  for (let round = 0; round < 3; round++) {
    const target = await bench.living(true);
    endings.run.push(await bench.must("run", bench.run(target)));
    endings.rollback.push(await bench.must("rollback", bench.rollback(target)));
  }
  const usual = (which: "run" | "rollback"): Usual => ({
    ms: median(endings[which].map((ending) => ending.ms)),
    workMs: median(endings[which].map((ending) => ending.workMs)),
  });
  return { run: usual("run"), rollback: usual("rollback") };
}

/** Every other blow falls while the target is being worked on; the rest anywhere. */
function randomBlow(kill: number, usual: Usual): Blow {
  if (kill % 2 === 0) return { killAtWorkMs: usual.workMs * Math.random() };
  return { killAfterMs: Math.round(usual.ms * Math.random()) };
}

async function killAtRandom(
  bench: Bench,
  kills: number,
  say: (text: string) => void,
): Promise<void> {
  const usual = await durations(bench);
  // Those that come late do not count.
  for (let kill = 0, fallen = 0; fallen < kills && kill < 4 * kills; kill++) {
    say(`kill: ${fallen + 1} of ${kills} at random`);
    const back = kill % 3 === 2;
    // A first installation for every other blow at `run`.
    const target = await bench.living(kill % 3 === 0);
    if (back) await bench.must("run", bench.run(target));
    const blow = randomBlow(kill, back ? usual.rollback : usual.run);
    const ending = await (back ? bench.rollback(target, blow) : bench.run(target, blow));
    if (ending.signal !== null) fallen++;
    await bench.examine(target, back ? "rollback, at random" : "run, at random", ending);
  }
}

/** Every fault point of one command, until a run gets through. */
async function atEveryPoint(
  bench: Bench,
  kind: "run" | "rollback",
  how: "killed" | "stopped",
  say: (text: string) => void,
): Promise<void> {
  for (let point = 1; point <= mostPoints; point++) {
    say(`kill: ${kind} ${how} at fault point ${point}`);
    const target = await bench.living(true);
    if (kind === "rollback") await bench.must("run", bench.run(target));
    const blow: Blow =
      how === "killed" ? { fault: `${point}` } : { fault: `${point}:stop`, killAfterMs: 2500 };
    const pending = kind === "run" ? bench.run(target, blow) : bench.rollback(target, blow);
    if (how === "stopped") {
      const early = await Promise.race([pending, sleep(1500).then(() => null)]);
      if (early === null && threadStates(target.pid).includes("t")) {
        bench.faults.push(`${kind} stopped at fault point ${point}: a thread is held`);
      }
    }
    const ending = await pending;
    if (ending.signal === null) return;
    await bench.examine(target, `${kind}, ${how} at each point`, ending);
  }
  bench.faults.push(`${kind}: no end to the fault points`);
}

/** `rounds`: number of random kills that do not come late. */
export async function kill({ rounds = 200, progress }: BenchmarkOptions): Promise<Findings> {
  const bench = new Bench();
  try {
    await killAtRandom(bench, rounds, progress);
    for (const kind of ["run", "rollback"] as const) {
      await atEveryPoint(bench, kind, "killed", progress);
      await atEveryPoint(bench, kind, "stopped", progress);
    }
  } finally {
    await bench.dispose();
  }
  const rows = [...bench.tallies].map(([name, tally]) => [
    name,
    ...[tally.blows, tally.missed, tally.old, tally.new, tally.interrupted].map(String),
  ]);
  return {
    text: [
      table(["", "blows", "came late", "wholly old", "wholly new", "interrupted"], rows),
      "",
      `${bench.faults.length} faults.`,
    ].join("\n"),
    data: { blows: Object.fromEntries(bench.tallies) },
    faults: bench.faults,
  };
}

/** Applies a case's update to a server and takes it back, as an operator would. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { createInterface } from "node:readline";
import { polus, projectRoot, type PolusRun } from "../demonstration/polus.js";
import { isThere } from "./processes.js";
import type { Built, RunningServer, ServerCase, UpdateFiles } from "./case.js";

/** What a command did, or several together. */
export interface Applied {
  /** From its start to its end, start-up of Node included; for a watch, to its readiness. */
  readonly wallMs: number;
  /** The same without the start-up, as the command itself measured it; null where it does not say. */
  readonly ownMs: number | null;
  readonly processes: number;
  readonly functions: number;
  /** The longest that a thread was held. */
  readonly stallUs: number;
}

/** What several updates took together. */
export function together(steps: readonly Applied[]): Applied {
  const own = steps.map(({ ownMs }) => ownMs);
  return {
    wallMs: steps.reduce((sum, { wallMs }) => sum + wallMs, 0),
    ownMs: own.includes(null) ? null : own.reduce<number>((sum, ms) => sum + (ms ?? 0), 0),
    processes: Math.max(...steps.map(({ processes }) => processes)),
    functions: steps.reduce((sum, { functions }) => sum + functions, 0),
    stallUs: Math.max(...steps.map(({ stallUs }) => stallUs)),
  };
}

type Seen = (active: number) => Promise<void>;
const unseen: Seen = () => Promise.resolve();

function numberOf(line: Record<string, unknown> | undefined, name: string): number {
  const value = line?.[name];
  return typeof value === "number" ? value : 0;
}

/** @throws when the command did not do what it was asked for */
function changed({ exitCode, done, errors, wallMs, lines }: PolusRun): Applied {
  if (exitCode !== 0 || done === null) throw new Error(`polus ended with ${exitCode}: ${errors}`);
  return {
    wallMs,
    ownMs: numberOf(lines.at(-1), "duration_ms"),
    processes: done.pids.length,
    functions: done.functions,
    stallUs: done.stallUsMax,
  };
}

function parse(line: string): Record<string, unknown> {
  const value: unknown = JSON.parse(line);
  if (typeof value !== "object" || value === null) throw new Error(`polus printed ${line}`);
  return { ...value };
}

/** An operator with a case's script, patch and old program in a folder of its own. */
export class Operator<S extends RunningServer> {
  private readonly folder = mkdtempSync(join(tmpdir(), "polus-update-"));
  private readonly scripts: readonly string[];
  /** The old version, under a path that nothing else on this machine runs: a watch finds programs by theirs. */
  readonly executable: string;
  private watch: ChildProcess | null = null;
  private said = "";
  /** How long processes that have started under a watch were held at their start, microseconds. */
  readonly heldAtStart: number[] = [];

  constructor(
    private readonly of: ServerCase<S>,
    built: Built,
  ) {
    const programs = [built.oldVersion, ...(built.programs ?? [])];
    for (const program of programs) copyFileSync(program, join(this.folder, basename(program)));
    this.executable = join(this.folder, basename(built.oldVersion));
    this.scripts = built.updates.map((update, index) => this.install(update, String(index)));
  }

  /** A copy of script and objects, for the programs under their paths here. */
  private install({ script, objects }: UpdateFiles, place: string): string {
    const folder = join(this.folder, place);
    mkdirSync(folder);
    const text = readFileSync(script, "utf8");
    const name = `exe "${basename(this.executable)}"`;
    if (!text.includes(name)) throw new Error(`${script} does not say ${name}`);
    const installed = join(folder, basename(script));
    const placed = (_: string, program: string): string => `exe "${join(this.folder, program)}"`;
    writeFileSync(installed, text.replaceAll(/exe "([^"/]+)"/g, placed));
    for (const object of objects) copyFileSync(object, join(folder, basename(object)));
    return installed;
  }

  /**
   * Applies all updates, one after another; of each what it took.
   * @param seen called with each: how many are active
   */
  async apply(server: S, seen: Seen = unseen): Promise<readonly Applied[]> {
    const applied: Applied[] = [];
    for (const script of this.scripts) {
      applied.push(
        this.of.applies === "run"
          ? changed(await polus("run", script, "--pid", String(server.pid), "--yes"))
          : await this.beginWatch(script),
      );
      await seen(applied.length);
    }
    return applied;
  }

  private async beginWatch(script: string): Promise<Applied> {
    const begun = performance.now();
    const watch = spawn(`${projectRoot}/bin/polus`, ["watch", script, "--json"], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.watch = watch;
    let errors = "";
    let functions = 0;
    let stallUs = 0;
    let processes = 0;
    watch.stderr.setEncoding("utf8").on("data", (text: string) => (this.said = errors += text));
    await new Promise<void>((resolve, reject) => {
      createInterface(watch.stdout).on("line", (text) => {
        const line = parse(text);
        switch (line["event"]) {
          case "applied":
            functions = Math.max(functions, numberOf(line, "functions"));
            stallUs = Math.max(stallUs, numberOf(line, "stall_us"));
            break;
          case "process_updated":
            processes++;
            if (line["when"] === "start") this.heldAtStart.push(numberOf(line, "held_us"));
            break;
          case "watching":
            resolve();
            break;
        }
      });
      watch.once("close", () => reject(new Error(`polus watch ended: ${errors}`)));
    });
    const wallMs = performance.now() - begun;
    return { wallMs, ownMs: null, processes, functions, stallUs };
  }

  /**
   * Takes all updates back, the newest first; of each what it took. Ends a watch, too. The updates say
   * `scope tree`, so that the sessions come along.
   */
  async rollBack(server: S, seen: Seen = unseen): Promise<readonly Applied[]> {
    await this.endWatch();
    const { rollbackTo } = this.of;
    const to = rollbackTo === null ? [] : ["--to", rollbackTo];
    const undone: Applied[] = [];
    for (let left = this.scripts.length - 1; left >= 0; left--) {
      const each: Applied[] = [];
      for (const pid of this.of.updated?.(server) ?? [server.pid]) {
        const run = await polus("rollback", "--pid", String(pid), ...to);
        // A session that has just ended needs none.
        if (pid === server.pid || isThere(pid)) each.push(changed(run));
      }
      undone.push({
        ...together(each),
        processes: each.reduce((all, { processes }) => all + processes, 0),
        functions: Math.max(...each.map(({ functions }) => functions)),
      });
      await seen(left);
    }
    return undone;
  }

  private async endWatch(): Promise<void> {
    const { watch } = this;
    this.watch = null;
    if (watch === null || watch.exitCode !== null || watch.signalCode !== null) return;
    const closed = once(watch, "close");
    watch.kill("SIGINT");
    await closed;
    if (watch.exitCode !== 0)
      throw new Error(`polus watch ended with ${watch.exitCode}: ${this.said}`);
  }

  /** Leaves the server as it is. */
  async close(): Promise<void> {
    try {
      await this.endWatch();
    } finally {
      rmSync(this.folder, { recursive: true, force: true });
    }
  }
}

/** Applies a case's update to a server and takes it back, as an operator would. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { createInterface } from "node:readline";
import { polus, projectRoot, type PolusRun } from "../demonstration/polus.js";
import type { Built, RunningServer, ServerCase } from "./case.js";

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
  private readonly script: string;
  /** The old version, under a path that nothing else on this machine runs: a watch finds programs by theirs. */
  readonly executable: string;
  private watch: ChildProcess | null = null;
  /** How long processes that have started under a watch were held at their start, microseconds. */
  readonly heldAtStart: number[] = [];

  constructor(
    private readonly of: ServerCase<S>,
    built: Built,
  ) {
    const [script = ""] = of.sources;
    this.script = join(this.folder, basename(script));
    this.executable = join(this.folder, basename(built.oldVersion));
    copyFileSync(built.oldVersion, this.executable);
    const text = readFileSync(join(projectRoot, script), "utf8");
    const name = `exe "${basename(built.oldVersion)}"`;
    if (!text.includes(name)) throw new Error(`${script} does not say ${name}`);
    writeFileSync(this.script, text.replace(name, `exe "${this.executable}"`));
    copyFileSync(built.patch, join(this.folder, basename(built.patch)));
  }

  apply(server: S): Promise<Applied> {
    return this.of.applies === "run" ? this.run(server) : this.beginWatch();
  }

  private async run(server: S): Promise<Applied> {
    return changed(await polus("run", this.script, "--pid", String(server.pid), "--yes"));
  }

  private async beginWatch(): Promise<Applied> {
    const begun = performance.now();
    const watch = spawn(`${projectRoot}/bin/polus`, ["watch", this.script, "--json"], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.watch = watch;
    let errors = "";
    let functions = 0;
    let stallUs = 0;
    let processes = 0;
    watch.stderr.setEncoding("utf8").on("data", (text: string) => (errors += text));
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

  /** Ends a watch, too. The update says `scope tree`, so that the sessions come along. */
  async rollBack(server: S): Promise<Applied> {
    await this.endWatch();
    const { rollbackTo } = this.of;
    const to = rollbackTo === null ? [] : ["--to", rollbackTo];
    return changed(await polus("rollback", "--pid", String(server.pid), ...to));
  }

  private async endWatch(): Promise<void> {
    const { watch } = this;
    this.watch = null;
    if (watch === null || watch.exitCode !== null || watch.signalCode !== null) return;
    const closed = once(watch, "close");
    watch.kill("SIGINT");
    await closed;
    if (watch.exitCode !== 0) throw new Error(`polus watch ended with ${watch.exitCode}`);
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

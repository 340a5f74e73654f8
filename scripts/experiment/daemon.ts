/** A server of somebody else's, started in a folder of its own and ended with all its children. */
import { spawn, type ChildProcess } from "node:child_process";
import { closeSync, openSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { familyOf } from "../../native/process/family.js";
import { endProcessTree } from "./processes.js";

const mostTries = 100;
const pauseMs = 50;

export interface DaemonStart {
  /** As messages call it. */
  readonly name: string;
  readonly executable: string;
  readonly words: readonly string[];
  /** Holds its settings and what it writes; removed with it. */
  readonly folder: string;
  /** Name of the file in the folder that takes what it writes. */
  readonly log: string;
  readonly port: number;
  /** Resolves once it answers. */
  readonly probe: () => Promise<unknown>;
}

export class Daemon {
  private constructor(
    private readonly child: ChildProcess,
    private readonly start: DaemonStart,
    readonly pid: number,
  ) {}

  /** Resolves when the server answers; one that does not is ended. */
  static async start(start: DaemonStart): Promise<Daemon> {
    const { executable, words, folder } = start;
    const log = openSync(join(folder, start.log), "w");
    const child = spawn(executable, words, { stdio: ["ignore", log, log], detached: true });
    closeSync(log);
    if (child.pid === undefined) throw new Error(`cannot start ${executable}`);
    const daemon = new Daemon(child, start, child.pid);
    try {
      await daemon.waitUntilReady();
      return daemon;
    } catch (error) {
      daemon.stop();
      throw error;
    }
  }

  get running(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  /** What it and its children have written. */
  get log(): string {
    return readFileSync(join(this.start.folder, this.start.log), "utf8");
  }

  private async waitUntilReady(): Promise<void> {
    const { name, port, probe } = this.start;
    for (let tries = 0; this.running && tries < mostTries; tries++) {
      try {
        await probe();
        return;
      } catch {
        await delay(pauseMs);
      }
    }
    throw new Error(`${name} does not answer on port ${port}: ${this.log.trim()}`);
  }

  processes(): number[] {
    return familyOf(this.pid);
  }

  stop(): void {
    if (this.running) endProcessTree(this.pid);
    rmSync(this.start.folder, { recursive: true, force: true });
  }
}

/** What a run has done so far: the figures of its last line, and whether a process was touched. */
import type { OperationMetrics } from "../../native/engine.js";
import type { HeldBy } from "../progress/events.js";

export class Tally {
  /**
   * Whether a process may differ from what it was: set before the first
   * operation that writes, taken back when the engine says that all is as before.
   */
  touched = false;
  functions = 0;
  patches = 0;
  stallUsMax = 0;
  stoppedThreadsMax = 0;
  state: string | undefined;
  completion: "complete" | "pending" | undefined;
  heldBy: readonly HeldBy[] = [];
  readonly warnings: string[] = [];
  private readonly pidSet = new Set<number>();
  private readonly startedAt = performance.now();

  get pids(): readonly number[] {
    return [...this.pidSet].sort((left, right) => left - right);
  }

  get durationMs(): number {
    return Math.round((performance.now() - this.startedAt) * 1000) / 1000;
  }

  addPids(pids: readonly number[]): void {
    for (const pid of pids) this.pidSet.add(pid);
  }

  /** Adds what an operation cost, and what it changed where that is what was asked for. */
  add(metrics: OperationMetrics, kind: "asked" | "on-the-way"): void {
    this.addPids(metrics.pids);
    this.stallUsMax = Math.max(this.stallUsMax, metrics.stallUsMax);
    this.stoppedThreadsMax = Math.max(this.stoppedThreadsMax, metrics.stoppedThreadsMax);
    if (kind === "asked") {
      this.functions += metrics.functions;
      this.patches += metrics.patches;
    }
  }

  /** A thread was held for a read, a write or a call, microseconds. */
  held(us: number): void {
    this.stallUsMax = Math.max(this.stallUsMax, us);
    if (us > 0) this.stoppedThreadsMax = Math.max(this.stoppedThreadsMax, 1);
  }

  warn(message: string): void {
    if (!this.warnings.includes(message)) this.warnings.push(message);
  }
}

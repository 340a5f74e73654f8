/**
 * Looks after processes whose update is active while old functions of it still run: stores that are caught often
 * are made direct ones, and what nobody needs any more is completed.
 */
import { EngineError, type Session } from "../../native/engine.js";

/** Between looks at what is caught; twice as long after each that shows nothing. */
const shortestLookMs = 100;
const longestLookMs = 3_000;
/** The same for looks at stacks, which cost the process a little. */
const firstCompletionMs = 1_000;
const longestCompletionMs = 30_000;
/** What one round may take: processes that are about to start wait for it. */
const roundMs = 50;

interface Tended {
  readonly pid: number;
  readonly updates: readonly string[];
  session: Session | null;
  /** By `performance.now()`. */
  lookAt: number;
  lookAfterMs: number;
  completeAt: number;
  completeAfterMs: number;
}

export class Tending {
  /** Those that have waited longest come first. */
  private readonly tended = new Map<number, Tended>();

  /** @param open a session of one process */
  constructor(private readonly open: (pid: number) => Promise<Session>) {}

  add(pid: number, updates: readonly string[]): void {
    this.tended.set(pid, {
      pid,
      updates,
      session: null,
      lookAt: 0,
      lookAfterMs: shortestLookMs,
      completeAt: performance.now() + firstCompletionMs,
      completeAfterMs: firstCompletionMs,
    });
  }

  /** A child has everything that its parent had. */
  inherit(parent: number, pid: number): void {
    const one = this.tended.get(parent);
    if (one !== undefined) this.add(pid, one.updates);
  }

  async forget(pid: number): Promise<void> {
    const one = this.tended.get(pid);
    this.tended.delete(pid);
    await one?.session?.close();
  }

  /** One look at as many as there is time for. */
  async round(): Promise<void> {
    const begun = performance.now();
    for (const one of [...this.tended.values()]) {
      const now = performance.now();
      if (now - begun > roundMs) return;
      if (now < one.lookAt) continue;
      // To the end of the line.
      this.tended.delete(one.pid);
      this.tended.set(one.pid, one);
      if (!(await this.look(one))) await this.forget(one.pid);
    }
  }

  async close(): Promise<void> {
    for (const pid of [...this.tended.keys()]) await this.forget(pid);
  }

  /** False when there is nothing more to do. */
  private async look(one: Tended): Promise<boolean> {
    try {
      const session = (one.session ??= await this.open(one.pid));
      const heat = await session.rewriteHot("process");
      if (heat === "plain") return false;
      one.lookAfterMs =
        heat === "hot" ? shortestLookMs : Math.min(longestLookMs, one.lookAfterMs * 2);
      one.lookAt = performance.now() + one.lookAfterMs;
      if (performance.now() < one.completeAt) return true;
      for (const update of one.updates) await session.complete(update, "process");
      one.completeAfterMs = Math.min(longestCompletionMs, one.completeAfterMs * 2);
      one.completeAt = performance.now() + one.completeAfterMs;
      return true;
    } catch (error) {
      // It has ended, or cannot be looked at: whoever comes later goes on.
      if (!(error instanceof EngineError)) throw error;
      return false;
    }
  }
}

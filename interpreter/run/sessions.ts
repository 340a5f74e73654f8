/** The engine's sessions of one run: one for each set of processes, closed together at the end. */
import type { Engine, EventSink, Session } from "../../native/engine.js";
import type { RunContext } from "./context.js";
import { recoverSession } from "./operations.js";

export class Sessions {
  private readonly open = new Map<string, Session>();

  constructor(
    private readonly context: RunContext,
    private readonly engine: Engine,
    private readonly onEvent: EventSink,
  ) {}

  /**
   * The session of exactly these processes. Sets that overlap without being
   * equal cannot be open at once: the earlier session is closed first.
   * A session that is opened recovers an interrupted run of its processes,
   * unless `recover` is false (then nothing is written).
   */
  async of(pids: readonly number[], options: { readonly recover: boolean }): Promise<Session> {
    const key = keyOf(pids);
    const known = this.open.get(key);
    if (known !== undefined) return known;
    const wanted = new Set(pids);
    for (const [otherKey, other] of this.open) {
      if (!other.processes.some((process) => wanted.has(process.pid))) continue;
      this.open.delete(otherKey);
      await other.close();
    }
    const session = await this.engine.open([...pids], this.onEvent);
    this.open.set(key, session);
    if (options.recover) await this.recoverFirst(session);
    return session;
  }

  /** Closes all; the first error is thrown when all are closed. */
  async close(): Promise<void> {
    const sessions = [...this.open.values()];
    this.open.clear();
    const closed = await Promise.allSettled(sessions.map((session) => session.close()));
    for (const result of closed) {
      if (result.status === "rejected") throw result.reason;
    }
  }

  private async recoverFirst(session: Session): Promise<void> {
    let found = false;
    for (const process of session.processes) {
      const interrupted = await interruptedUpdates(this.engine, process.pid);
      for (const update of interrupted) {
        found = true;
        this.context.reporter.progress({
          event: "interrupted_run_found",
          pid: process.pid,
          update,
        });
      }
    }
    if (found) {
      const result = await recoverSession(this.context, session, "on-the-way");
      if (result.result === "done") {
        this.context.tally.warn("an interrupted run was recovered first");
      }
    }
  }
}

/** Names of the updates that an interrupted run left half-way in a process. */
export async function interruptedUpdates(engine: Engine, pid: number): Promise<readonly string[]> {
  const status = await engine.status(pid);
  return (status?.updates ?? [])
    .filter((update) => update.state === "interrupted" || update.state === "prepared")
    .map((update) => update.name);
}

function keyOf(pids: readonly number[]): string {
  return [...new Set(pids)].sort((left, right) => left - right).join(",");
}

/**
 * What a run has applied, and taking it back when the run fails: newest first,
 * each as its update's `on failure` says.
 */
import { EngineError } from "../../native/engine.js";
import { diagnoseEngineError } from "../diagnose.js";
import type { UpdatePlan } from "../plan/plan.js";
import type { RunContext } from "./context.js";
import { rollBack } from "./operations.js";
import type { Sessions, SessionScope } from "./sessions.js";

interface Applied {
  readonly update: UpdatePlan;
  readonly scope: SessionScope;
  /** How many of its patches are active: less than all after a rollback to a point. */
  position: number;
  /** Name of the point where it stands, `null` when it is active as a whole. */
  point: string | null;
}

export class AppliedUpdates {
  private readonly stack: Applied[] = [];
  /** Whether something that an earlier run had applied was rolled back: that cannot be undone. */
  private foreignRollback: string | null = null;

  get length(): number {
    return this.stack.length;
  }

  push(update: UpdatePlan, scope: SessionScope): void {
    this.stack.push({
      update,
      scope,
      position: update.checked.patches.length,
      point: null,
    });
  }

  /** Notes a rollback that the script asked for: newer updates of the same processes went with it. */
  rolledBack(update: UpdatePlan, point: string, position: number, pids: readonly number[]): void {
    let index = this.stack.length - 1;
    for (; index >= 0; index--) {
      const entry = this.stack[index];
      if (entry?.update === update && overlap(entry.scope.pids, pids)) break;
    }
    if (index < 0) this.foreignRollback = `${update.name}.${point}`;
    for (let at = this.stack.length - 1; at > index; at--) {
      const entry = this.stack[at];
      if (entry !== undefined && overlap(entry.scope.pids, pids)) this.stack.splice(at, 1);
    }
    const entry = this.stack[index];
    if (entry === undefined) return;
    if (position === 0) this.stack.splice(index, 1);
    else {
      entry.position = position;
      entry.point = point;
    }
  }

  /**
   * Takes everything back. Returns false when that did not work everywhere: the
   * outcome is then `inconsistent`. `damaged` are processes that an operation
   * left inconsistent: they are left alone for `recover`.
   */
  async undo(
    context: RunContext,
    sessions: Sessions,
    damaged: ReadonlySet<number>,
  ): Promise<boolean> {
    const { tally, reporter } = context;
    const states: string[] = [];
    /** Processes on which something newer stays: what is below it cannot be taken back. */
    const blocked = new Map<number, string>();
    let clean = true;
    for (const entry of this.stack.splice(0).reverse()) {
      const { update, scope } = entry;
      const { pids } = scope;
      const { onFailure } = update;
      const keep = (why: string): void => {
        for (const pid of pids) blocked.set(pid, update.name);
        states.unshift(entry.point === null ? update.name : `${update.name}.${entry.point}`);
        reporter.progress({ event: "kept", update: update.name, why });
      };
      if (pids.some((pid) => damaged.has(pid))) {
        keep("its processes need recovery first");
        clean = false;
        continue;
      }
      if (onFailure.kind === "keep") {
        keep("as its `on failure` says");
        continue;
      }
      const above = pids.map((pid) => blocked.get(pid)).find((name) => name !== undefined);
      if (above !== undefined) {
        const why = `${above}, which is kept, stands on it`;
        keep(why);
        tally.warn(`${update.name} was not rolled back: ${why}`);
        continue;
      }
      if (entry.point !== null && onFailure.position >= entry.position) {
        keep("it stands at or below its point already");
        continue;
      }
      const { point } = onFailure;
      reporter.progress({
        event: "rolling_back",
        update: update.name,
        point,
        pids,
        why: "failure",
      });
      try {
        const session = await sessions.of(scope, { recover: false });
        await rollBack(context, session, pids, { update: update.name, point }, "on-the-way");
        states.unshift(`${update.name}.${point}`);
        if (onFailure.position > 0) for (const pid of pids) blocked.set(pid, update.name);
      } catch (error) {
        clean = false;
        if (error instanceof EngineError)
          reporter.diagnostic(diagnoseEngineError(error, { update: update.checked }));
        const reason = error instanceof Error ? error.message : String(error);
        keep(`it could not be rolled back: ${reason}`);
        tally.warn(`${update.name} is still active in ${pids.join(", ")}: ${reason}`);
      }
    }
    if (this.foreignRollback !== null) {
      states.push(this.foreignRollback);
      tally.warn(`the rollback to ${this.foreignRollback} of an earlier run's update stays`);
    }
    tally.state = states.length === 0 ? "unchanged" : states.join(", ");
    return clean;
  }

  /** Names of the updates of this run that are active now. */
  get active(): readonly string[] {
    return this.stack.map((entry) => entry.update.name);
  }
}

function overlap(left: readonly number[], right: readonly number[]): boolean {
  return left.some((pid) => right.includes(pid));
}

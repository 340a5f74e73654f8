/**
 * What a run has changed, and taking it back when the run fails, newest first: what scripts have
 * written, each only where it still stands, and the updates, each as its `on failure` says.
 */
import type { Span } from "../../lang/source.js";
import { formatAddress, type Address } from "../../native/address.js";
import type { UpdateRequest } from "../../native/engine.js";
import { EngineError } from "../../native/engine.js";
import { diagnoseEngineError } from "../diagnose.js";
import type { UpdatePlan } from "../plan/plan.js";
import type { RunContext } from "./context.js";
import { applyUpdate, rollBack } from "./operations.js";
import type { Sessions, SessionScope } from "./sessions.js";

interface Applied {
  readonly kind: "update";
  readonly update: UpdatePlan;
  readonly request: UpdateRequest;
  readonly scope: SessionScope;
  /** How many of its patches are active: less than all after a rollback to a point, or between two steps. */
  position: number;
  /** Whether further steps were to follow: the engine still counts the run as unfinished. */
  unfinished: boolean;
}

/** Bytes that a script has written. */
export interface Write {
  readonly pid: number;
  /** As the script names it. */
  readonly place: string;
  readonly span: Span;
  readonly address: Address;
  /** Of one length. */
  readonly before: Uint8Array;
  readonly after: Uint8Array;
  /** Where it repairs a taint, for which patch that is. */
  readonly repair: {
    readonly update: UpdatePlan;
    readonly patch: number;
    readonly taint: string;
  } | null;
}

type Entry = Applied | (Write & { readonly kind: "write" });

/** The name of where an update stands; of its last point at or below that where there is none exactly. */
function stateName(update: UpdatePlan, position: number): string {
  const { patches, points } = update.checked;
  if (position >= patches.length) return update.name;
  const point = points.find((one) => one.position === position);
  if (point !== undefined) return `${update.name}.${point.name}`;
  return `${update.name} (${position} of ${patches.length} patches)`;
}

export class UndoLog {
  private readonly entries: Entry[] = [];
  /** Whether something that an earlier run had applied was rolled back: that cannot be undone. */
  private foreignRollback: string | null = null;
  /** Functions of the target that were called: what they did stays. */
  private readonly called = new Set<string>();

  /** How many updates of this run are active now, as a whole or in part. */
  get appliedUpdates(): number {
    return this.entries.filter(({ kind }) => kind === "update").length;
  }

  /** Whether anything was changed that a failure would have to take back, or cannot. */
  get isEmpty(): boolean {
    return this.entries.length === 0 && this.foreignRollback === null && this.called.size === 0;
  }

  /** Notes that the first `position` patches of an update are active; of one that is known, how far it is now. */
  applied(
    update: UpdatePlan,
    request: UpdateRequest,
    scope: SessionScope,
    step: { readonly position: number; readonly more: boolean },
  ): void {
    const known = this.entries.findLast(
      (entry): entry is Applied =>
        entry.kind === "update" && entry.update === update && entry.unfinished,
    );
    const { position, more } = step;
    if (known !== undefined) {
      known.position = position;
      known.unfinished = more;
    } else {
      this.entries.push({ kind: "update", update, request, scope, position, unfinished: more });
    }
  }

  /** Notes a step that changed no function: it may have been the last. */
  settled(update: UpdatePlan, position: number, more: boolean): void {
    for (const entry of this.entries) {
      if (entry.kind !== "update" || entry.update !== update || !entry.unfinished) continue;
      entry.position = position;
      entry.unfinished = more;
    }
  }

  wrote(write: Write): void {
    this.entries.push({ kind: "write", ...write });
  }

  /** The function ran in the target: whatever it did cannot be taken back. */
  ran(name: string): void {
    this.called.add(name);
  }

  /** The writes that repaired taints of an update and that no record holds yet, oldest first. */
  repairsOf(update: UpdatePlan): readonly Write[] {
    return this.entries.filter(
      (entry): entry is Write & { readonly kind: "write" } =>
        entry.kind === "write" && entry.repair?.update === update,
    );
  }

  /** The targets' records hold them now: they go when the update is rolled back. */
  forget(writes: readonly Write[]): void {
    const gone = new Set<unknown>(writes);
    const left = this.entries.filter((entry) => !gone.has(entry));
    this.entries.splice(0, this.entries.length, ...left);
  }

  /** Notes a rollback that the script asked for: newer updates of the same processes went with it. */
  rolledBack(update: UpdatePlan, point: string, position: number, pids: readonly number[]): void {
    const concerns = (entry: Entry | undefined): entry is Applied =>
      entry?.kind === "update" && overlap(entry.scope.pids, pids);
    let index = this.entries.length - 1;
    for (; index >= 0; index--) {
      const entry = this.entries[index];
      if (concerns(entry) && entry.update === update) break;
    }
    if (index < 0) this.foreignRollback = `${update.name}.${point}`;
    for (let at = this.entries.length - 1; at > index; at--) {
      if (concerns(this.entries[at])) this.entries.splice(at, 1);
    }
    const entry = this.entries[index];
    if (!concerns(entry)) return;
    if (position === 0) this.entries.splice(index, 1);
    else entry.position = position;
  }

  /**
   * Takes the newest change back because the person asks for it, whatever `on failure` says.
   * @returns null if there is none; false if it did not work and stays
   */
  async takeLastBack(context: RunContext, sessions: Sessions): Promise<boolean | null> {
    const last = this.entries.pop();
    if (last === undefined) return null;
    if (last.kind === "write") {
      const states: string[] = [];
      const undoing = { context, sessions, damaged: new Set<number>(), states, blocked: new Map() };
      return restoreWrite(undoing, last);
    }
    const { update, scope } = last;
    const { pids } = scope;
    const to = { update: update.name, point: "start" };
    context.reporter.progress({ event: "rolling_back", ...to, pids, why: "command" });
    const session = await sessions.of(scope, { recover: true });
    await rollBack(context, session, pids, to, "asked");
    return true;
  }

  /** What the newest change is about, null if there is none. */
  get last(): { readonly update: string } | { readonly place: string } | null {
    const last = this.entries.at(-1);
    if (last === undefined) return null;
    return last.kind === "update" ? { update: last.update.name } : { place: last.place };
  }

  /**
   * Takes everything back. Returns false when that did not work everywhere: the
   * outcome is then `inconsistent`. `damaged` are processes that an operation
   * left inconsistent: their updates are left alone for `recover`.
   */
  async undo(
    context: RunContext,
    sessions: Sessions,
    damaged: ReadonlySet<number>,
  ): Promise<boolean> {
    const { tally } = context;
    const undoing: Undoing = { context, sessions, damaged, states: [], blocked: new Map() };
    let clean = true;
    for (const entry of this.entries.splice(0).reverse()) {
      const restored =
        entry.kind === "write"
          ? await restoreWrite(undoing, entry)
          : await takeBackUpdate(undoing, entry);
      clean &&= restored;
    }
    const { states } = undoing;
    if (this.foreignRollback !== null) {
      states.push(this.foreignRollback);
      tally.warn(`the rollback to ${this.foreignRollback} of an earlier run's update stays`);
    }
    if (this.called.size > 0) {
      const names = [...this.called].map((name) => `\`${name}\``).join(", ");
      tally.warn(`what called functions did is not taken back: ${names}`);
    }
    tally.state = states.length === 0 ? "unchanged" : states.join(", ");
    return clean;
  }
}

interface Undoing {
  readonly context: RunContext;
  readonly sessions: Sessions;
  readonly damaged: ReadonlySet<number>;
  /** Where things stand in the end, oldest first. */
  readonly states: string[];
  /** Processes on which something newer stays: what is below it cannot be taken back. */
  readonly blocked: Map<number, string>;
}

/** Puts bytes back if they still are what the script wrote. False: something else stands there. */
async function restoreWrite(undoing: Undoing, write: Write): Promise<boolean> {
  const { context, sessions, states } = undoing;
  const { reporter, tally, journal } = context;
  const { pid, place, address, before, after } = write;
  const at = formatAddress(address);
  const left = (why: string): false => {
    states.push(`${place} (${at}) of pid ${pid}`);
    tally.warn(`${place} at ${at} of pid ${pid} was not put back: ${why}`);
    return false;
  };
  try {
    const inspection = await sessions.inspect(pid);
    if (!inspection.alive) return true;
    const result = await inspection.writeTogether([
      { address, bytes: before, expected: after, undoes: true },
    ]);
    tally.held(result.heldUs);
    if (!result.written) {
      const now = result.before[0];
      const found = now === undefined ? "something else" : formatBytes(now);
      return left(`it holds ${found} now, not ${formatBytes(after)} as the script wrote`);
    }
    journal.append({
      record: "write",
      pid,
      place,
      address: at,
      before: hex(after),
      after: hex(before),
      why: "undo",
    });
    reporter.progress({ event: "put_back", pid, address: at, place });
    return true;
  } catch (error) {
    if (!(error instanceof EngineError)) {
      context.reportInternal(error);
      return left("an internal error");
    }
    if (error.code === "NO_SUCH_PROCESS" || error.code === "TARGET_GONE") return true;
    reporter.diagnostic(diagnoseEngineError(error));
    return left(error.message);
  }
}

/** Rolls an update back as its `on failure` says. False: that did not work. */
async function takeBackUpdate(undoing: Undoing, entry: Applied): Promise<boolean> {
  const { context, sessions, damaged, states, blocked } = undoing;
  const { tally, reporter } = context;
  const { update, scope } = entry;
  const { pids } = scope;
  const { onFailure } = update;
  const keep = (why: string): void => {
    for (const pid of pids) blocked.set(pid, update.name);
    states.unshift(stateName(update, entry.position));
    reporter.progress({ event: "kept", update: update.name, why });
  };
  /** What stays of it is no interrupted run any more. */
  const settle = async (): Promise<void> => {
    if (!entry.unfinished) return;
    const session = await sessions.of(scope, { recover: false });
    const step = { upTo: entry.position, more: false, repairs: [] };
    await applyUpdate(context, session, pids, entry.request, step);
  };
  if (pids.some((pid) => damaged.has(pid))) {
    keep("its processes need recovery first");
    return false;
  }
  const above = pids.map((pid) => blocked.get(pid)).find((name) => name !== undefined);
  try {
    if (onFailure.kind === "keep") {
      keep("as its `on failure` says");
      await settle();
      return true;
    }
    if (above !== undefined) {
      const why = `${above}, which is kept, stands on it`;
      keep(why);
      tally.warn(`${update.name} was not rolled back: ${why}`);
      await settle();
      return true;
    }
    if (onFailure.position >= entry.position) {
      keep("it stands at or below its point already");
      await settle();
      return true;
    }
    const { point } = onFailure;
    reporter.progress({
      event: "rolling_back",
      update: update.name,
      point,
      pids,
      why: "failure",
    });
    const session = await sessions.of(scope, { recover: false });
    await rollBack(context, session, pids, { update: update.name, point }, "on-the-way");
    states.unshift(`${update.name}.${point}`);
    if (onFailure.position > 0) for (const pid of pids) blocked.set(pid, update.name);
    return true;
  } catch (error) {
    if (error instanceof EngineError)
      reporter.diagnostic(diagnoseEngineError(error, { update: update.checked }));
    const reason = error instanceof Error ? error.message : String(error);
    keep(`it could not be rolled back: ${reason}`);
    tally.warn(`${update.name} is still active in ${pids.join(", ")}: ${reason}`);
    return false;
  }
}

function overlap(left: readonly number[], right: readonly number[]): boolean {
  return left.some((pid) => right.includes(pid));
}

/** Bytes as hexadecimal digits, in the order of memory. */
export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

const mostShownBytes = 16;

function formatBytes(bytes: Uint8Array): string {
  const shown = hex(bytes.subarray(0, mostShownBytes)).replace(/..(?=.)/g, "$& ");
  return bytes.length > mostShownBytes ? `${shown} …` : shown;
}

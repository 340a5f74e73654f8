/** The engine's sessions of one run, closed together at the end. */
import type { Address } from "../../native/address.js";
import type { Engine, EventSink, Inspection, Session } from "../../native/engine.js";
import type { RunContext } from "./context.js";
import { recoverSession } from "./operations.js";
import { unlessGone } from "./scope.js";

/** Which processes a session is for. */
export interface SessionScope {
  readonly scope: "process" | "tree";
  /** What the engine is given. */
  readonly roots: readonly number[];
  /** All that it will work on, as far as known. */
  readonly pids: readonly number[];
}

interface OpenSession {
  readonly key: string;
  readonly pids: Set<number>;
  readonly session: Session;
  readonly inspections: Map<number, Inspection>;
}

export class Sessions {
  private open: OpenSession[] = [];

  constructor(
    private readonly context: RunContext,
    private readonly engine: Pick<Engine, "open" | "status">,
    private readonly onEvent: EventSink,
  ) {}

  /**
   * The session of these processes. Two that share a process are never open at
   * once, since what one changes the other has not seen: the earlier is closed.
   * A session that is opened recovers an interrupted run of its processes,
   * unless `recover` is false (then nothing is written).
   */
  async of(scope: SessionScope, options: { readonly recover: boolean }): Promise<Session> {
    const key = `${scope.scope} ${sorted(scope.roots).join(",")}`;
    const known = this.open.find((other) => other.key === key);
    if (known !== undefined) return known.session;
    const shares = (other: OpenSession): boolean => scope.pids.some((pid) => other.pids.has(pid));
    const inTheWay = this.open.filter(shares);
    this.open = this.open.filter((other) => !shares(other));
    for (const other of inTheWay) await other.session.close();
    const session = await this.engine.open(scope.roots, this.onEvent);
    this.open.push({ key, pids: new Set(scope.pids), session, inspections: new Map() });
    if (options.recover) await this.recoverFirst(session, scope);
    return session;
  }

  /**
   * A typed look at a process, by the session that it is open in, else by one of its own. Valid
   * until the next session is asked for; cheap to ask for again.
   */
  async inspect(pid: number): Promise<Inspection> {
    const has = ({ pids }: OpenSession): boolean => pids.has(pid);
    if (!this.open.some(has)) {
      await this.of({ scope: "process", roots: [pid], pids: [pid] }, { recover: false });
    }
    const open = this.open.find(has);
    if (open === undefined) throw new Error(`no session was opened for process ${pid}`);
    const known = open.inspections.get(pid);
    if (known !== undefined) return known;
    const made = await open.session.inspect(pid);
    open.inspections.set(pid, made);
    return made;
  }

  /** The session that a process is open in; `null` if in none. */
  openFor(pid: number): Session | null {
    return this.open.find(({ pids }) => pids.has(pid))?.session ?? null;
  }

  /** Where a patch lies in a process that a session is open for; `null` if it does not. */
  patchBase(pid: number, digest: string): Address | null {
    return this.openFor(pid)?.patchBase(pid, digest) ?? null;
  }

  /** Notes processes that a session has come to work on: children born meanwhile. */
  joined(session: Session, pids: readonly number[]): void {
    const open = this.open.find((one) => one.session === session);
    for (const pid of pids) open?.pids.add(pid);
  }

  /** Closes all; the first error is thrown when all are closed. */
  async close(): Promise<void> {
    const sessions = this.open;
    this.open = [];
    const closed = await Promise.allSettled(sessions.map(({ session }) => session.close()));
    for (const result of closed) {
      if (result.status === "rejected") throw result.reason;
    }
  }

  private async recoverFirst(session: Session, scope: SessionScope): Promise<void> {
    let found = false;
    for (const pid of scope.pids) {
      for (const update of await interruptedUpdates(this.engine, pid)) {
        found = true;
        this.context.reporter.progress({ event: "interrupted_run_found", pid, update });
      }
    }
    if (!found) return;
    const result = await recoverSession(this.context, session, scope.pids, "on-the-way");
    if (result.result === "done") this.context.tally.warn("an interrupted run was recovered first");
  }
}

/** Names of the updates that an interrupted run left half-way in a process; none where it has ended. */
export async function interruptedUpdates(
  engine: Pick<Engine, "status">,
  pid: number,
): Promise<readonly string[]> {
  const status = await unlessGone(engine.status(pid));
  return (status?.updates ?? [])
    .filter((update) => update.state === "interrupted")
    .map((update) => update.name);
}

function sorted(pids: readonly number[]): readonly number[] {
  return [...new Set(pids)].sort((left, right) => left - right);
}

/**
 * Updates processes as they appear. Those that run a watched program are followed from the
 * moment they are found; what they execute is stopped at its entry point, updated, and let go.
 * One process is updated at a time. While a process is followed no other polus can change it.
 */
import type {
  Engine,
  ProcessInfo,
  Session,
  UpdateRequest,
  Watch,
  WatchEvent,
} from "../../native/engine.js";
import { changesData, EngineError } from "../../native/engine.js";
import { diagnoseEngineError } from "../diagnose.js";
import { Stop, worse, type BadOutcome, type Outcome } from "../outcome.js";
import type { Plan, UpdatePlan } from "../plan/plan.js";
import type { RunContext } from "./context.js";
import { execute, verifyAll, type Execution } from "./execute.js";
import { Interruption } from "./interruption.js";
import { liveExpressions } from "./live_expressions.js";
import { Sessions } from "./sessions.js";
import { runsExecutable, wantedExecutable } from "./targets.js";
import { Tending } from "./tending.js";

/** How often processes are looked for that no followed one has started, milliseconds: but it must not cost much. */
const lookAroundMs = 100;
/** So many times as long as a look has taken we do not look again; it reads all of /proc. */
const lookShare = 200;
/** A start that is seen so much later is no longer news. */
const longestLookAroundMs = 2_000;
/** How long an update may put a process's start off; the engine's watchdog has more patience. */
const startPatienceMs = 3_000;
/** How long what is updated goes without a look while other processes start. */
const untendedMs = 500;
/** How long an update that is under way may take when the watch is to end. */
const endPatienceMs = 2_000;

/** What is known of a followed process. `starting`: it has executed a watched program just now. */
type State = "followed" | "starting" | "updated" | "failed";
/** Of a process that is being updated: while it runs, or held at its start. */
type Updating = Extract<State, "followed" | "starting">;

export class Watcher {
  private readonly states = new Map<number, State>();
  private readonly exes: readonly string[];
  /** Work on processes, one after another. */
  private queue: Promise<void> = Promise.resolve();
  private watch: Watch | null = null;
  private readonly tending = new Tending((pid) => this.openOne(pid));
  private tendedAt = 0;
  /** Processes that the last look has found and not followed; null before the first. */
  private seenOnce: Set<number> | null = null;
  /** When the next look around is due, by `performance.now()`. */
  private lookAt = 0;
  /** Of the queue. */
  private works = 0;
  private updated = 0;
  private worst: BadOutcome | null = null;
  /** An update is finished although the watch is to end, unless it takes long. */
  private readonly patience: Interruption;

  constructor(
    private readonly context: RunContext,
    private readonly plan: Plan,
    private readonly requests: ReadonlyMap<UpdatePlan, UpdateRequest>,
    private readonly engine: Engine,
  ) {
    this.patience = new Interruption((event) => context.reporter.progress(event));
    this.exes = [
      ...new Set(
        plan.updates.flatMap(({ checked }) => {
          const exe = checked.target?.exe;
          return exe === undefined ? [] : [wantedExecutable(exe.value, checked.span.file.path)];
        }),
      ),
    ];
  }

  /** Until a signal asks to end. */
  async run(): Promise<Outcome> {
    const { interruption, reporter } = this.context;
    this.watch = await this.engine.watch(this.exes, (event) => this.hear(event));
    await this.lookAround();
    reporter.progress({ event: "watching", exes: this.exes, pids: [...this.states.keys()] });
    while (interruption.requestedBy === null) {
      await interruption.sleep(lookAroundMs);
      if (performance.now() >= this.lookAt) await this.lookAround();
      this.tend();
    }
    const timer = setTimeout(
      () => this.patience.request(interruption.requestedBy ?? ""),
      endPatienceMs,
    );
    await this.queue;
    clearTimeout(timer);
    await this.close();
    if (this.worst !== null) throw new Stop(this.worst);
    return this.updated > 0 ? "applied" : "completed";
  }

  async close(): Promise<void> {
    const { watch } = this;
    await this.tending.close();
    this.watch = null;
    await watch?.close();
  }

  private openOne(pid: number): Promise<Session> {
    if (this.watch === null) throw new Error("the watch is over");
    return this.watch.open([pid], (event) => this.context.reporter.progress(event));
  }

  /** For when nothing else is done. */
  private tend(): void {
    if (this.works === 0) this.later(() => Promise.resolve());
  }

  /** Processes that are about to start come first, but not for ever. */
  private async tendBetween(): Promise<void> {
    const starts = [...this.states.values()].includes("starting");
    if (this.watch === null || (starts && performance.now() - this.tendedAt < untendedMs)) return;
    await this.tending.round();
    this.tendedAt = performance.now();
  }

  private hear(event: WatchEvent): void {
    const { pid } = event;
    switch (event.event) {
      case "born":
        // It has inherited what its parent had; else it may have been born in the middle of it.
        if (this.states.get(event.parent) === "updated") {
          this.states.set(pid, "updated");
          this.tending.inherit(event.parent, pid);
        } else {
          this.states.set(pid, "followed");
          this.later(() => this.updateRunning(pid));
        }
        break;
      case "gone":
        if (event.why === "exec") this.states.set(pid, "starting");
        else this.states.delete(pid);
        this.later(() => this.tending.forget(pid));
        break;
      case "started":
        this.later(() => this.updateAtStart(pid));
        break;
      case "missed":
        // It may serve before it is updated: that is never passed over in silence.
        this.states.set(pid, "followed");
        this.context.tally.warn(
          `process ${pid} could not be stopped at its start: it has run the old version`,
        );
        this.later(() => this.updateRunning(pid));
        break;
    }
  }

  private later(work: () => Promise<void>): void {
    this.works += 1;
    this.queue = this.queue
      .then(work)
      .then(() => this.tendBetween())
      .catch((error: unknown) => {
        this.context.reportInternal(error);
        this.worst = "failed";
      })
      .finally(() => (this.works -= 1));
  }

  /**
   * Follows and updates processes that have come by themselves. All are followed before one is updated.
   * One that is seen for the first time may be a child of which the tracer is about to tell, and which executes
   * another program at once: it is left to the next look, unless nobody is followed yet.
   */
  private async lookAround(): Promise<void> {
    const fresh: number[] = [];
    const before = this.seenOnce;
    this.seenOnce = new Set();
    const begun = performance.now();
    const found: number[] = [];
    for (const exe of this.exes) found.push(...(await this.engine.findPids(exe)));
    const now = performance.now();
    this.lookAt = now + Math.min(longestLookAroundMs, (now - begun) * lookShare);
    for (const pid of found) {
      if (this.states.has(pid)) continue;
      if (before !== null && !before.has(pid)) {
        this.seenOnce.add(pid);
        this.lookAt = now;
        continue;
      }
      this.states.set(pid, "followed");
      if (await this.follow(pid)) fresh.push(pid);
    }
    for (const pid of fresh) this.later(() => this.updateRunning(pid));
    if (fresh.length > 0) await this.queue;
  }

  private async follow(pid: number): Promise<boolean> {
    try {
      await this.watch?.follow(pid);
      return true;
    } catch (error) {
      if (!(error instanceof EngineError)) throw error;
      await this.failed(pid, "followed", error.kind, () => {
        this.context.reporter.diagnostic(diagnoseEngineError(error));
      });
      return false;
    }
  }

  private async updateRunning(pid: number): Promise<void> {
    if (this.states.get(pid) !== "followed" || this.watch === null) return;
    const exe = await this.update(pid, "followed");
    if (exe === null) return;
    this.context.reporter.progress({
      event: "process_updated",
      pid,
      exe,
      when: "running",
      held_us: 0,
    });
  }

  private async updateAtStart(pid: number): Promise<void> {
    const { watch } = this;
    if (watch === null) return;
    const begun = performance.now();
    let waits = true;
    const resume = async (): Promise<void> => {
      if (!waits) return;
      waits = false;
      await watch.resume(pid);
    };
    const timer = setTimeout(() => {
      this.context.tally.warn(`process ${pid} was let go before its update was done`);
      void resume();
    }, startPatienceMs);
    try {
      const exe = await this.update(pid, "starting");
      if (exe === null) return;
      this.context.reporter.progress({
        event: "process_updated",
        pid,
        exe,
        when: waits ? "start" : "running",
        held_us: Math.round((performance.now() - begun) * 1000),
      });
    } finally {
      clearTimeout(timer);
      await resume();
    }
  }

  /** Runs the script on one process. Returns its executable, `null` if it was not updated. */
  private async update(pid: number, when: Updating): Promise<string | null> {
    const { watch, engine } = this;
    if (watch === null) return null;
    const context: RunContext = { ...this.context, interruption: this.patience, tended: true };
    const sessions = new Sessions(
      context,
      { status: (of) => engine.status(of), open: (pids, sink) => watch.open(pids, sink) },
      (event) => context.reporter.progress(event),
    );
    try {
      const info = await engine.processInfo(pid);
      const execution = this.executionOn(info, sessions);
      // An update that comes first is verified by its application, before anything is written: a process that is
      // held at its start waits for that once, not twice.
      const alone = execution.requests.size === 1 && this.plan.order === "file";
      if (!alone) await verifyAll(context, execution, { recover: true });
      await execute(context, execution, liveExpressions);
      this.states.set(pid, "updated");
      const changing = [...execution.requests.values()].filter(changesData);
      if (changing.length > 0)
        this.tending.add(
          pid,
          changing.map(({ name }) => name),
        );
      this.updated += 1;
      context.tally.addPids([pid]);
      return info.exe;
    } catch (error) {
      if (error instanceof Stop) await this.failed(pid, when, error.outcome);
      else if (error instanceof EngineError) {
        await this.failed(pid, when, error.kind, () => {
          context.reporter.diagnostic(diagnoseEngineError(error));
        });
      } else throw error;
      return null;
    } finally {
      await sessions.close();
    }
  }

  /** The script as far as it concerns this process. */
  private executionOn(info: ProcessInfo, sessions: Sessions): Execution {
    const updates = this.plan.updates.filter(({ checked }) => {
      const exe = checked.target?.exe;
      return exe !== undefined && runsExecutable(info, exe.value, checked.span.file.path);
    });
    return {
      plan: { ...this.plan, updates },
      targets: {
        byUpdate: new Map(
          updates.map((update) => [update, { roots: [info], processes: [info] }] as const),
        ),
        roots: [info],
      },
      requests: new Map([...this.requests].filter(([update]) => updates.includes(update))),
      sessions,
    };
  }

  /** One that has ended meanwhile is no failure, nor one that has executed another program: that is updated at its start. */
  private async failed(
    pid: number,
    when: Updating,
    kind: BadOutcome,
    tell?: () => void,
  ): Promise<void> {
    if (when === "followed" && this.states.get(pid) !== when) return;
    try {
      await this.engine.processInfo(pid);
    } catch {
      this.states.delete(pid);
      return;
    }
    tell?.();
    this.states.set(pid, "failed");
    this.worst = this.worst === null ? kind : worse(this.worst, kind);
    this.context.reporter.progress({ event: "process_not_updated", pid, why: kind });
  }
}

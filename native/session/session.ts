/** The engine's session: one set of processes, one operation after another. */
import { addon, type TracerHandle } from "../addon/addon.js";
import {
  EngineError,
  type ActiveFrame,
  type EventSink,
  type OperationResult,
  type ProcessInfo,
  type Session,
  type ThreadStack,
  type UpdateRequest,
} from "../engine.js";
import { descendantsOf, hasEnded } from "../process/proc.js";
import { executableIdentity, processInfo } from "../process/process_info.js";
import type { ModuleCache } from "../process/modules.js";
import { isRolledBack, type UpdateRecord } from "../record/record.js";
import { Batch, newRun, type Metrics, type Plans } from "./batch.js";
import { activeFramesOf, stacksOf } from "./active_frames.js";
import { recoverAll } from "./recover.js";
import { rollBackTo, type RollbackTarget } from "./rollback.js";
import { needsRecovery, onMember, TargetProcess, whileAlive } from "./target_process.js";
import {
  missingPatches,
  planUpdate,
  readUpdate,
  type ReadUpdate,
  type UpdatePlan,
} from "./update_plan.js";

/** For how long new processes of a tree are run after. */
const treePatienceMs = 15_000;

function checkPatience(deadline: number): void {
  if (Date.now() < deadline) return;
  throw new EngineError(
    "CANNOT_STOP",
    "refused",
    "processes are born faster than they can be prepared",
  );
}

/** What the caller of `verify` is told. */
function summary(plans: Plans): Awaited<ReturnType<Session["verify"]>> {
  const all = [...plans.values()];
  return {
    result: all.length > 0 ? "ready" : "already-applied",
    functions: Math.max(0, ...all.map((plan) => plan.functions)),
    imports: Math.max(0, ...all.map((plan) => plan.imports)),
  };
}

export class EngineSession implements Session {
  private readonly modules: ModuleCache = new Map();
  /** The processes that were named. */
  private readonly roots: ReadonlySet<TargetProcess>;
  /** Those, and descendants that were found since. */
  private readonly members: TargetProcess[];
  private tracer: TracerHandle | null = null;
  /** Children that the kernel has told of and that nobody has looked at. */
  private readonly born: number[] = [];
  readonly processes: readonly ProcessInfo[];

  /** @throws EngineError refused; see TargetProcess.open */
  constructor(
    pids: readonly number[],
    private readonly onEvent: EventSink,
  ) {
    this.members = [...new Set(pids)].map((pid) => TargetProcess.open(pid, this.modules));
    this.roots = new Set(this.members);
    this.processes = this.members.map((m) => processInfo(m.pid));
  }

  async verify(request: UpdateRequest): ReturnType<Session["verify"]> {
    return summary(await this.planAll(readUpdate(request), newRun()));
  }

  /**
   * What the update means for each process that it is missing in. Writes nothing.
   * @throws EngineError refused or invalid
   */
  private async planAll(update: ReadUpdate, run: UpdateRecord["run"]): Promise<Plans> {
    const plans = new Map<TargetProcess, UpdatePlan>();
    const { request } = update;
    for (const member of this.scopeOf(request.scope)) {
      await this.whileNeeded(member, undefined, () => {
        // Libraries come and go between a look at an update and its application.
        member.forgetModules();
        const missing = missingPatches(member.record(), member.control?.selector ?? 0, request);
        if (missing.length > 0) plans.set(member, planUpdate(member, update, missing, run));
      });
    }
    return plans;
  }

  /** @throws EngineError refused RUN_IN_PROGRESS: another polus is changing one of the processes */
  private async exclusively<T>(
    members: readonly TargetProcess[],
    work: () => Promise<T>,
  ): Promise<T> {
    const locked: TargetProcess[] = [];
    try {
      for (const member of members) {
        if (addon.lockTarget(member.handle)) locked.push(member);
        else if (member.alive)
          throw new EngineError(
            "RUN_IN_PROGRESS",
            "refused",
            `another polus is at work on process ${member.pid}`,
            { pid: member.pid, help: "try again when it has finished" },
          );
      }
      return await work();
    } finally {
      for (const member of locked) addon.unlockTarget(member.handle);
    }
  }

  async apply(request: UpdateRequest): Promise<OperationResult> {
    return this.exclusively(this.scopeOf(request.scope), () => this.applyAlone(request));
  }

  private async applyAlone(request: UpdateRequest): Promise<OperationResult> {
    const update = readUpdate(request);
    if (await this.isInterrupted(request.scope)) await this.recoverAlone();
    const metrics: Metrics = { stallUsMax: 0, stoppedThreadsMax: 0 };
    try {
      const run = newRun();
      const plans = await this.planAll(update, run);
      const verified = summary(plans);
      if (verified.result === "already-applied")
        return this.result("skipped", this.scopeOf(request.scope), request, metrics, 0);
      this.onEvent({ event: "resolved", functions: verified.functions, imports: verified.imports });
      const done =
        request.scope === "tree"
          ? await this.applyToTree(this.newBatch(update, run, plans, metrics))
          : await this.applyToEach(this.newBatch(update, run, plans, metrics));
      return this.result("done", done, request, metrics, verified.functions);
    } finally {
      this.closeTracer();
    }
  }

  private newBatch(
    update: ReadUpdate,
    run: UpdateRecord["run"],
    plans: Plans,
    metrics: Metrics,
  ): Batch {
    return new Batch(this.openTracer(), update, run, plans, this.onEvent, metrics);
  }

  /** Given processes only: prepared one after another, then activated. */
  private async applyToEach(batch: Batch): Promise<TargetProcess[]> {
    const members = [...this.roots];
    this.onEvent({
      event: "attached",
      processes: members.length,
      threads: members.reduce((n, m) => n + m.threads, 0),
    });
    try {
      for (const member of members) await onMember(member, () => batch.prepare(member));
      await batch.activate(this.roots);
      await batch.finish();
      return batch.activated;
    } catch (error) {
      await batch.undo();
      throw error;
    }
  }

  /** The whole tree: children that are born meanwhile are seized by the kernel and join in. */
  private async applyToTree(batch: Batch): Promise<TargetProcess[]> {
    const tracer = this.openTracer();
    const known = new Set<TargetProcess>();
    // Follows and prepares those that are new; false once all of them had inherited it.
    const prepareNew = async (): Promise<boolean> => {
      const fresh = this.scopeOf("tree").filter((m) => !known.has(m));
      let threads = 0;
      let prepared = false;
      for (const member of fresh) {
        threads += await this.whileNeeded(member, 0, () =>
          addon.tracerFollow(tracer, member.handle),
        );
      }
      if (known.size === 0) this.onEvent({ event: "attached", processes: fresh.length, threads });
      for (const member of fresh) {
        known.add(member);
        if (await this.whileNeeded(member, false, () => batch.prepare(member))) prepared = true;
      }
      return prepared;
    };
    const deadline = Date.now() + treePatienceMs;
    try {
      while (await prepareNew()) checkPatience(deadline);
      await batch.activate(this.roots);
      // Born of a process that was prepared and not yet active: only the flip is missing.
      for (let inactive = true; inactive;) {
        checkPatience(deadline);
        const before = batch.flips;
        await prepareNew();
        await batch.activate(this.roots);
        inactive = batch.flips > before;
      }
      await batch.finish();
      return batch.activated;
    } catch (error) {
      await batch.undo();
      throw error;
    }
  }

  /** Work on a process that may end, unless it is one of those that were named. */
  private async whileNeeded<T>(
    member: TargetProcess,
    otherwise: T,
    work: () => T | Promise<T>,
  ): Promise<T> {
    if (this.roots.has(member)) return onMember(member, work);
    return (await whileAlive(member, work)) ?? otherwise;
  }

  async rollback(to?: RollbackTarget): ReturnType<Session["rollback"]> {
    return this.exclusively([...this.roots], () => this.rollbackAlone(to));
  }

  private async rollbackAlone(to?: RollbackTarget): ReturnType<Session["rollback"]> {
    if (await this.isInterrupted("process")) await this.recoverAlone();
    const wantsTree = this.rollsBackTree(to);
    return rollBackTo(
      () => (wantsTree ? this.scopeOf("tree") : [...this.roots]),
      this.roots,
      to,
      this.onEvent,
    );
  }

  private async isInterrupted(scope: "process" | "tree"): Promise<boolean> {
    for (const member of this.scopeOf(scope)) {
      if (await this.whileNeeded(member, false, () => needsRecovery(member))) return true;
    }
    return false;
  }

  /** With an update of scope `tree`, the descendants that carry it are rolled back too. */
  private rollsBackTree(to: RollbackTarget | undefined): boolean {
    return [...this.roots].some((m) => {
      const active = m.record().updates.filter((u) => !isRolledBack(u));
      const from =
        to === undefined ? active.length - 1 : active.findIndex((u) => u.name === to.update);
      return from >= 0 && active.slice(from).some((u) => u.scope === "tree");
    });
  }

  async recover(): Promise<OperationResult> {
    return this.exclusively([...this.roots], () => this.recoverAlone());
  }

  private recoverAlone(): Promise<OperationResult> {
    return recoverAll(this.scopeOf("tree"), this.modules, this.onEvent);
  }

  async activeFrames(update: string): Promise<readonly ActiveFrame[]> {
    const tracer = this.openTracer();
    try {
      const frames: ActiveFrame[] = [];
      for (const member of this.scopeOf("tree")) {
        if (member.control === null || !member.alive) continue;
        try {
          frames.push(...(await activeFramesOf(tracer, member, update)));
        } catch (error) {
          if (member.alive) throw error;
        }
      }
      return frames;
    } finally {
      this.closeTracer();
    }
  }

  async stacks(pid: number): Promise<readonly ThreadStack[]> {
    const member = this.scopeOf("tree").find((m) => m.pid === pid);
    if (member === undefined)
      throw new EngineError(
        "NO_SUCH_PROCESS",
        "refused",
        `process ${pid} is not part of this session`,
        { pid },
      );
    const tracer = this.openTracer();
    try {
      return await stacksOf(tracer, member);
    } finally {
      this.closeTracer();
    }
  }

  close(): Promise<void> {
    this.closeTracer();
    return Promise.resolve();
  }

  /**
   * The processes that an operation covers. Of a tree: descendants that run the same
   * executable; other programs that the server has started are none of its versions.
   */
  private scopeOf(scope: "process" | "tree"): TargetProcess[] {
    if (scope === "process") return [...this.roots];
    for (const root of [...this.members]) {
      if (!root.alive) continue;
      const exe = executableIdentity(root.pid);
      for (const pid of [...descendantsOf(root.pid), ...this.born.splice(0)]) {
        if (this.members.some((m) => m.pid === pid && m.alive) || executableIdentity(pid) !== exe)
          continue;
        try {
          this.members.push(TargetProcess.open(pid, this.modules));
        } catch (error) {
          if (!hasEnded(pid)) throw error;
        }
      }
    }
    return this.members.filter((m) => m.alive);
  }

  private openTracer(): TracerHandle {
    if (this.tracer !== null) return this.tracer;
    const tracer = addon.createTracer((kind, pid, parent) => {
      // What was still on its way when the tracer closed is no part of the operation any more.
      if (this.tracer !== tracer) return;
      if (kind === "born") {
        // It may leave the tree before anybody looks: a daemon's child, reparented.
        this.born.push(pid);
        this.onEvent({ event: "process_born", pid, parent });
      } else this.onEvent({ event: "process_gone", pid, why: kind });
    });
    this.tracer = tracer;
    return tracer;
  }

  private closeTracer(): void {
    if (this.tracer !== null) addon.tracerClose(this.tracer);
    this.tracer = null;
  }

  private result(
    result: "done" | "skipped",
    members: readonly TargetProcess[],
    request: UpdateRequest,
    metrics: Metrics,
    functions: number,
  ): OperationResult {
    return {
      result,
      pids: members.map((m) => m.pid),
      functions,
      patches: result === "done" ? request.patches.length : 0,
      stallUsMax: metrics.stallUsMax,
      stoppedThreadsMax: metrics.stoppedThreadsMax,
    };
  }
}

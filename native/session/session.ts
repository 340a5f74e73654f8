/** The engine's session: one set of processes, one operation after another. */
import { addon, type TracerHandle } from "../addon/addon.js";
import { address, type Address } from "../address.js";
import {
  changesData,
  EngineError,
  type ActiveFrame,
  type ApplyStep,
  type EventSink,
  type Heat,
  type Inspection,
  type OperationResult,
  type ProcessInfo,
  type Repair,
  type Session,
  type ThreadStack,
  type UpdateRequest,
} from "../engine.js";
import { ProcessInspection } from "../inspect/inspection.js";
import { descendantsOf } from "../process/family.js";
import { hasEnded, readStat } from "../process/proc.js";
import { executableIdentity, processInfo } from "../process/process_info.js";
import type { ModuleCache } from "../process/modules.js";
import { isRolledBack, type UpdateRecord } from "../record/record.js";
import { hasAnnounced, repairRecords, withAnnounced, withStepNoted } from "./announced.js";
import { Batch, missingUpTo, newRun, type Metrics, type Plans } from "./batch.js";
import { activeFramesOf, stacksOf } from "./active_frames.js";
import { changingData, type ChangingData } from "./changing_data.js";
import { prepare } from "./prepare.js";
import { exclusively } from "./exclusive.js";
import { mostPasses, outliveForksIfPossible } from "./forks.js";
import { restoreWith, type Restore } from "./repairs.js";
import { recoverAll } from "./recover.js";
import { rollBackTo, type RollbackTarget } from "./rollback.js";
import {
  markFinished,
  needsRecovery,
  onMember,
  onTarget,
  TargetProcess,
  whileAlive,
} from "./target_process.js";
import { missingPatches, readUpdate, type ReadUpdate } from "./read_update.js";
import { planChoosing } from "./choose_indirect.js";
import { planStage, planUpdate, type UpdatePlan } from "./update_plan.js";

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

/** All of an update in one step. */
function wholeOf(request: UpdateRequest): ApplyStep {
  return { upTo: request.patches.length, more: false, repairs: [] };
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
  /** Runs of this session that stand between two steps. */
  private readonly ownRuns = new Set<string>();
  /** Of repairs that come before the run of a step. */
  private readonly announcer = newRun();
  private readonly restore: Restore;
  private readonly data: ChangingData;
  readonly processes: readonly ProcessInfo[];

  /** @throws EngineError refused; see TargetProcess.open */
  constructor(
    pids: readonly number[],
    private readonly onEvent: EventSink,
    /** Of a watch that follows the processes: it outlives the session. */
    private readonly lent: TracerHandle | null = null,
  ) {
    this.members = [...new Set(pids)].map((pid) => TargetProcess.open(pid, this.modules));
    this.roots = new Set(this.members);
    this.restore = restoreWith((work) => this.withTracer(work), onEvent);
    this.data = changingData((work) => this.withTracer(work), onEvent);
    this.processes = this.members.map((m) => processInfo(m.pid));
  }

  async verify(request: UpdateRequest): ReturnType<Session["verify"]> {
    return summary(await this.planAll(null, readUpdate(request), newRun(), wholeOf(request)));
  }

  /**
   * What the update means for each process that it is missing in. Writes nothing.
   * @param tracer null: runs nothing in them either
   * @throws EngineError refused or invalid
   */
  private async planAll(
    tracer: TracerHandle | null,
    update: ReadUpdate,
    run: UpdateRecord["run"],
    { upTo, repairs }: ApplyStep,
  ): Promise<Plans> {
    const plans = new Map<TargetProcess, UpdatePlan>();
    const { request } = update;
    for (const member of this.scopeOf(request.scope)) {
      await this.whileNeeded(member, undefined, async () => {
        // Libraries come and go between a look at an update and its application.
        member.forgetModules();
        const missing = missingUpTo(
          missingPatches(member.record(), member.control?.selector ?? 0, request),
          request,
          upTo,
        );
        if (missing.length > 0) {
          const plan = (): UpdatePlan => planUpdate(member, update, missing, run, repairs);
          plans.set(member, await planChoosing(tracer, member, plan));
        }
      });
    }
    return plans;
  }

  async apply(
    request: UpdateRequest,
    step: ApplyStep = wholeOf(request),
  ): Promise<OperationResult> {
    return exclusively(this.scopeOf(request.scope), () => this.applyAlone(request, step));
  }

  private async applyAlone(request: UpdateRequest, step: ApplyStep): Promise<OperationResult> {
    const update = readUpdate(request);
    if (await this.isInterrupted(request.scope)) await this.recoverAlone();
    const metrics: Metrics = { stallUsMax: 0, stoppedThreadsMax: 0 };
    try {
      for (const member of this.scopeOf(request.scope)) {
        await this.whileNeeded(member, undefined, () => this.data.trySettle(member));
        await this.whileNeeded(member, undefined, () => this.data.restoreCode(member));
        if (changesData(request))
          await this.whileNeeded(member, undefined, () => this.data.dropRetired(member));
      }
      const run = newRun();
      const plans = await this.planAll(this.openTracer(), update, run, step);
      const verified = summary(plans);
      if (verified.result === "already-applied") {
        await this.noteStep(request, step);
        return this.result("skipped", this.scopeOf(request.scope), request, metrics, 0);
      }
      this.onEvent({ event: "resolved", functions: verified.functions, imports: verified.imports });
      const batch = new Batch(
        this.openTracer(),
        update,
        run,
        step,
        plans,
        this.data,
        this.onEvent,
        metrics,
      );
      const done =
        request.scope === "tree"
          ? await this.applyToTree(batch, step)
          : await this.applyToEach(batch, step);
      const planned = new Set([...plans.keys()].map((member) => member.pid));
      const others = step.repairs.filter((repair) => !planned.has(repair.pid));
      await this.noteStep(request, { ...step, repairs: others });
      await this.data.settleSoon(done);
      return this.result("done", done, request, metrics, verified.functions);
    } finally {
      this.closeTracer();
    }
  }

  /** A step whose patches are active already: what was repaired since, and whether it was the last. */
  private async noteStep(request: UpdateRequest, { more, repairs }: ApplyStep): Promise<void> {
    for (const member of this.scopeOf(request.scope)) {
      await this.whileNeeded(member, undefined, () => {
        const own = repairRecords(repairs, member.pid);
        const record = member.record();
        const noted = withStepNoted(record, request.name, own, more);
        if (noted !== record) member.control?.write(noted);
      });
    }
  }

  async announce(request: UpdateRequest, repairs: readonly Repair[]): Promise<void> {
    this.ownRuns.add(this.announcer.id);
    await exclusively(this.scopeOf(request.scope), async () => {
      for (const member of this.scopeOf(request.scope)) {
        await this.whileNeeded(member, undefined, () => {
          const { control } = member;
          if (control === null) return;
          const run = { ...this.announcer, before: control.selector };
          const own = repairRecords(repairs, member.pid).map((r) => ({ ...r, announced: true }));
          const before = member.record();
          const after = withAnnounced(before, request, run, own);
          if (
            own.length > 0 ||
            after.updates.some(hasAnnounced) ||
            before.updates.some(hasAnnounced)
          )
            control.write(after);
        });
      }
    });
  }

  async stage(request: UpdateRequest): Promise<void> {
    const update = readUpdate(request);
    return exclusively(this.scopeOf(request.scope), async () => {
      if (await this.isInterrupted(request.scope)) await this.recoverAlone();
      try {
        for (const member of this.scopeOf(request.scope)) {
          await this.whileNeeded(member, undefined, async () => {
            member.forgetModules();
            const plan = await planChoosing(this.openTracer(), member, () =>
              planStage(member, update),
            );
            if (plan.images.every((image) => image.reused)) return;
            await prepare(this.openTracer(), member, plan, this.onEvent);
          });
        }
      } finally {
        this.closeTracer();
      }
    });
  }

  patchBase(pid: number, digest: string): Address | null {
    const member = this.findMember(pid);
    const image = member?.record().images.find((i) => i.digest === digest);
    return image === undefined ? null : address(image.base);
  }

  /** Given processes only: prepared one after another, then activated. */
  private async applyToEach(batch: Batch, step: ApplyStep): Promise<TargetProcess[]> {
    const members = [...this.roots];
    this.onEvent({
      event: "attached",
      processes: members.length,
      threads: members.reduce((n, m) => n + m.threads, 0),
    });
    try {
      for (const member of members) await onMember(member, () => batch.prepare(member));
      await batch.activate(this.roots);
      await this.finishStep(batch, step);
      return batch.activated;
    } catch (error) {
      await batch.undo(null);
      throw error;
    }
  }

  /** The whole tree: children that are born meanwhile are seized by the kernel and join in. */
  private async applyToTree(batch: Batch, step: ApplyStep): Promise<TargetProcess[]> {
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
    // What is there already takes the time that it takes.
    const fromNow = (): number => Date.now() + treePatienceMs;
    try {
      if (await prepareNew()) {
        const deadline = fromNow();
        while (await prepareNew()) checkPatience(deadline);
      }
      await batch.activate(this.roots);
      const deadline = fromNow();
      // Born of a process that was prepared and not yet active: only the flip is missing.
      for (let inactive = true; inactive;) {
        checkPatience(deadline);
        await batch.outliveForks(deadline);
        const before = batch.flips;
        await prepareNew();
        await batch.activate(this.roots);
        inactive = batch.flips > before;
      }
      await this.finishStep(batch, step);
      return batch.activated;
    } catch (error) {
      await batch.undo(() => this.scopeOf("tree"));
      throw error;
    }
  }

  /** Between two steps the run stays unfinished: whoever finds it without us undoes all of it. */
  private async finishStep(batch: Batch, step: ApplyStep): Promise<void> {
    if (step.more) this.ownRuns.add(batch.runId);
    else await batch.finish();
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
    return exclusively([...this.roots], () => this.rollbackAlone(to));
  }

  private async rollbackAlone(to?: RollbackTarget): ReturnType<Session["rollback"]> {
    if (await this.isInterrupted("process")) await this.recoverAlone();
    for (const root of this.roots) await onMember(root, () => this.data.trySettle(root));
    const wantsTree = this.rollsBackTree(to);
    const scope = (): readonly TargetProcess[] =>
      wantsTree ? this.scopeOf("tree") : [...this.roots];
    const result = await rollBackTo(
      scope,
      this.roots,
      to,
      {
        restore: this.restore,
        data: this.data,
        outliveForks: async (processes) => {
          if (wantsTree) await this.outliveForks(processes);
        },
      },
      this.onEvent,
    );
    // A run that was between two steps ends here: what is left of it stays.
    for (const run of this.ownRuns) {
      for (const member of scope()) await whileAlive(member, () => markFinished(member, run));
    }
    this.ownRuns.clear();
    return result;
  }

  private async isInterrupted(scope: "process" | "tree"): Promise<boolean> {
    for (const member of this.scopeOf(scope)) {
      if (await this.whileNeeded(member, false, () => needsRecovery(member, this.ownRuns)))
        return true;
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
    return exclusively([...this.roots], () => this.recoverAlone());
  }

  /** Again and again while somebody is found: a child may be born of a process whose turn has not come. */
  private async recoverAlone(): Promise<OperationResult> {
    const means = { restore: this.restore, data: this.data };
    const decided = new Map<string, boolean>();
    const once = (): Promise<OperationResult> =>
      recoverAll(this.scopeOf("tree"), this.modules, means, decided, this.onEvent);
    const pids = new Set<number>();
    let found = await once();
    for (let pass = 0; found.result === "done" && pass < mostPasses; pass++) {
      for (const pid of found.pids) pids.add(pid);
      await this.outliveForks(this.members);
      found = await once();
    }
    return pids.size === 0 ? found : { ...found, result: "done", pids: [...pids] };
  }

  private outliveForks(processes: readonly TargetProcess[]): Promise<void> {
    return outliveForksIfPossible(processes, (work) => this.withTracer(work));
  }

  async complete(
    update: string,
    scope: "process" | "tree" = "tree",
  ): Promise<readonly ActiveFrame[]> {
    const tracer = this.openTracer();
    try {
      const frames: ActiveFrame[] = [];
      for (const member of this.scopeOf(scope)) {
        if (member.control === null || !member.alive) continue;
        try {
          const { holds } = await exclusively([member], async () => {
            const settled = await this.data.settle(member);
            if (settled.holds.length > 0) await this.data.rewriteHot(member);
            return settled;
          });
          const active = await activeFramesOf(tracer, member, update);
          const known = (a: ActiveFrame, b: ActiveFrame): boolean =>
            a.tid === b.tid && a.function === b.function;
          frames.push(...active, ...holds.filter((h) => !active.some((a) => known(a, h))));
        } catch (error) {
          if (member.alive) throw error;
        }
      }
      return frames;
    } finally {
      this.closeTracer();
    }
  }

  async rewriteHot(scope: "process" | "tree"): Promise<Heat> {
    const found: Heat[] = [];
    for (const member of this.scopeOf(scope)) {
      if (member.control === null || !member.alive) continue;
      const heat = await whileAlive(member, () =>
        exclusively([member], () => this.data.rewriteHot(member)),
      );
      found.push(heat ?? "plain");
    }
    return (["hot", "cold"] as const).find((heat) => found.includes(heat)) ?? "plain";
  }

  async stacks(pid: number): Promise<readonly ThreadStack[]> {
    return this.withTracer((tracer) => stacksOf(tracer, this.memberOf(pid)));
  }

  inspect(pid: number): Promise<Inspection> {
    return onTarget(
      pid,
      () => new ProcessInspection(this.memberOf(pid), (work) => this.withTracer(work)),
    );
  }

  /** One that is known already, else of the tree as it is now. */
  private findMember(pid: number): TargetProcess | undefined {
    const isIt = (m: TargetProcess): boolean => m.pid === pid && m.alive;
    return this.members.find(isIt) ?? this.scopeOf("tree").find(isIt);
  }

  /** @throws EngineError refused NO_SUCH_PROCESS: none of this session */
  private memberOf(pid: number): TargetProcess {
    const member = this.findMember(pid);
    if (member === undefined)
      throw new EngineError(
        "NO_SUCH_PROCESS",
        "refused",
        `process ${pid} is not part of this session`,
        { pid },
      );
    return member;
  }

  /** Work that needs a tracer for its own length only. */
  private async withTracer<T>(work: (tracer: TracerHandle) => Promise<T>): Promise<T> {
    const nested = this.tracer !== null;
    const tracer = this.openTracer();
    try {
      return await work(tracer);
    } finally {
      if (!nested) this.closeTracer();
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
        // A child of vfork(2) has what its parent has, until it executes something.
        if (addon.sharesMemory(readStat(pid)?.parent ?? root.pid, pid)) continue;
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
    if (this.lent !== null) return this.lent;
    if (this.tracer !== null) return this.tracer;
    const tracer = addon.createTracer((kind, pid, parent) => {
      // What was still on its way when the tracer closed is no part of the operation any more.
      if (this.tracer !== tracer) return;
      if (kind === "born") {
        // It may leave the tree before anybody looks: a daemon's child, reparented.
        this.born.push(pid);
        this.onEvent({ event: "process_born", pid, parent });
      } else if (kind === "exec" || kind === "exited") {
        this.onEvent({ event: "process_gone", pid, why: kind });
      }
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

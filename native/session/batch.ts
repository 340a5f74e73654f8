/** One `apply` over several processes: prepared everywhere, then activated everywhere, or nowhere. */
import { randomUUID } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import type { TracerHandle } from "../addon/addon.js";
import {
  EngineError,
  type EventSink,
  type PatchRequest,
  type Repair,
  type UpdateRequest,
} from "../engine.js";
import { readStat } from "../process/proc.js";
import { isRolledBack, topLevel, type TargetRecord, type UpdateRecord } from "../record/record.js";
import type { PlannedSet } from "../data/items.js";
import { mostPasses, outliveForks, outliveForksIfPossible } from "./forks.js";
import { undoWithData, type ChangingData } from "./changing_data.js";
import { completeInherited, prepare, type PrepareMetrics } from "./prepare.js";
import {
  markFinished,
  onMember,
  onTarget,
  whileAlive,
  type TargetProcess,
} from "./target_process.js";
import { missingPatches, type ReadUpdate } from "./read_update.js";
import { planChoosing } from "./choose_indirect.js";
import { planUpdate, type UpdatePlan } from "./update_plan.js";

/** How often room is looked for that the program does not take at the same time. */
const mostPlans = 5;

export interface Metrics {
  stallUsMax: number;
  stoppedThreadsMax: number;
}

/** What an update means for each process, worked out before the first byte is written. */
export type Plans = ReadonlyMap<TargetProcess, UpdatePlan>;

/** What one step of an update's application is to do. */
export interface Step {
  /** Of the patches that a process lacks those that become active. */
  readonly upTo: number;
  readonly repairs: readonly Repair[];
}

/** Those of the missing patches that a step activates. */
export function missingUpTo(
  missing: readonly PatchRequest[],
  request: UpdateRequest,
  upTo: number,
): readonly PatchRequest[] {
  return missing.filter((patch) => request.patches.indexOf(patch) < upTo);
}

/** A run, marked unfinished until every process is known to be active. */
export function newRun(): UpdateRecord["run"] {
  return {
    id: randomUUID(),
    finished: false,
    injector: process.pid,
    injectorStart: readStat(process.pid)?.startTime ?? 0n,
    before: 0,
  };
}

/** Whether two processes are made alike: as a rule all of a tree are. */
function leadsAlike(one: UpdatePlan, other: UpdatePlan): boolean {
  const parts = ({ record, relays, entries, slots }: UpdatePlan): readonly unknown[] => [
    record.hooks,
    relays,
    entries,
    slots,
  ];
  return isDeepStrictEqual(parts(one), parts(other));
}

/** The processes of one `apply`: what each was prepared for, and how far it came. */
export class Batch {
  private readonly prepared: {
    member: TargetProcess;
    before: number;
    after: number;
    active: boolean;
    /** Switched, and a fork may be under way that has begun before. */
    forking: boolean;
  }[] = [];

  constructor(
    private readonly tracer: TracerHandle,
    private readonly update: ReadUpdate,
    private readonly run: UpdateRecord["run"],
    private readonly step: Step,
    /** Of the processes that were there when the update was looked at; others are planned late. */
    private readonly plans: Plans,
    private readonly data: ChangingData,
    private readonly onEvent: EventSink,
    private readonly metrics: Metrics,
  ) {}

  /** Of the last process that was planned: one that is born of it has the same addresses. */
  private sets: readonly PlannedSet[] = [];

  /** Plans that were begun, of those that are alike one: a child inherits its maker's record, and maybe not all that it tells of. */
  private readonly made: UpdatePlan[] = [];

  /** Processes that were old until this batch made them new. */
  flips = 0;

  get runId(): string {
    return this.run.id;
  }

  get activated(): TargetProcess[] {
    return this.prepared.filter((p) => p.active).map((p) => p.member);
  }

  /** @returns false if the process carried the update already, by its own or by inheritance */
  async prepare(member: TargetProcess): Promise<boolean> {
    const plan =
      this.plans.get(member) ?? (await onTarget(member.pid, () => this.planLate(member)));
    if (plan === null) {
      await this.data.begin(member, this.update.request.name, this.sets);
      return false;
    }
    this.account(await this.prepareAsPlanned(member, plan));
    await this.data.begin(member, this.update.request.name, this.sets);
    return true;
  }

  private account({ stallUs, stoppedThreads }: PrepareMetrics): void {
    this.metrics.stallUsMax = Math.max(this.metrics.stallUsMax, stallUs);
    this.metrics.stoppedThreadsMax = Math.max(this.metrics.stoppedThreadsMax, stoppedThreads);
  }

  /** The program may map memory itself where the plan has found room: then another plan is made. */
  private async prepareAsPlanned(
    member: TargetProcess,
    first: UpdatePlan,
  ): Promise<PrepareMetrics> {
    for (let plan = first, attempt = 1; ; attempt++) {
      this.sets = plan.sets;
      if (!this.made.some((one) => leadsAlike(one, plan))) this.made.push(plan);
      try {
        const metrics = await prepare(this.tracer, member, plan, this.onEvent);
        const { selectorBefore: before, selectorAfter: after } = plan;
        this.prepared.push({ member, before, after, active: false, forking: false });
        return metrics;
      } catch (error) {
        const taken = error instanceof EngineError && error.code === "NO_ROOM";
        if (!taken || attempt >= mostPlans) throw error;
        const another = await onTarget(member.pid, () => this.planLate(member));
        if (another === null) throw error;
        plan = another;
      }
    }
  }

  /** For a process that was born since, or has the update; `null`: there is nothing to prepare. */
  private async planLate(member: TargetProcess): Promise<UpdatePlan | null> {
    const record = member.record();
    const own = record.updates.find((u) => u.run.id === this.run.id);
    if (own !== undefined) {
      // Forked from one that was prepared by this very run, or was about to be.
      this.prepared.push({
        member,
        before: own.run.before,
        after: topLevel(own),
        active: false,
        forking: false,
      });
      await this.complete(member, record);
      return null;
    }
    const selector = member.control?.selector ?? 0;
    const { request } = this.update;
    const { upTo, repairs } = this.step;
    const missing = missingUpTo(missingPatches(record, selector, request), request, upTo);
    return missing.length === 0
      ? null
      : planChoosing(this.tracer, member, () =>
          planUpdate(member, this.update, missing, this.run, repairs),
        );
  }

  /** Its maker had one of the plans that lead to the same record. */
  private async complete(member: TargetProcess, record: TargetRecord): Promise<void> {
    const makers = this.made.filter((plan) => isDeepStrictEqual(plan.record.hooks, record.hooks));
    if (makers.length === 0) {
      const why = `process ${member.pid} was born of one that was prepared, by none of the plans`;
      throw new EngineError("BORN_UNPREPARED", "failed", why, { pid: member.pid });
    }
    for (const plan of makers)
      this.account(await completeInherited(this.tracer, member, plan, this.onEvent));
  }

  /**
   * The flip, in every process that is prepared and not active yet.
   * @param essential processes whose end is an error; others may come and go
   */
  async activate(essential: ReadonlySet<TargetProcess>): Promise<void> {
    for (const p of this.prepared) {
      if (p.active) continue;
      const work = (): void => {
        // Where it was inherited from a process that was active already, it is so here.
        if ((p.member.control?.selector ?? 0) < p.after) {
          this.flips += 1;
          p.forking = true;
        }
        p.member.control?.select(p.after);
      };
      if (essential.has(p.member)) await onMember(p.member, work);
      else if ((await whileAlive(p.member, () => (work(), true))) === null) continue;
      p.active = true;
      this.onEvent({ event: "activated", pid: p.member.pid, update: this.update.request.name });
    }
  }

  /**
   * Until the children are there whose forks have begun before their makers were switched.
   * @param deadline by Date.now()
   */
  async outliveForks(deadline: number): Promise<void> {
    for (const p of this.prepared) {
      if (!p.forking) continue;
      const outlive = (): Promise<PrepareMetrics> => outliveForks(this.tracer, p.member, deadline);
      const figures = await whileAlive(p.member, outlive);
      if (figures !== null) this.account(figures);
      p.forking = false;
    }
  }

  /** Lets the records say that the update is active everywhere. */
  async finish(): Promise<void> {
    for (const p of this.prepared)
      await whileAlive(p.member, () => markFinished(p.member, this.run.id));
  }

  /**
   * Back to before in every process that came so far.
   * @param scope asked again after each pass: a child may be born of a process whose turn has not come; null: no
   *   child belongs to it
   */
  async undo(scope: (() => readonly TargetProcess[]) | null): Promise<void> {
    let due = this.prepared.map(({ member, before }) => ({ member, before }));
    const undone = new Set<TargetProcess>();
    for (let pass = 0; pass < mostPasses && due.length > 0; pass++) {
      for (const { member, before } of due) {
        undone.add(member);
        await whileAlive(member, () => undoWithData(member, before, this.data));
      }
      if (scope === null) return;
      await outliveForksIfPossible(
        due.map(({ member }) => member),
        (work) => work(this.tracer),
      );
      due = [];
      for (const member of scope()) {
        const own = undone.has(member) ? null : await whileAlive(member, () => this.ownIn(member));
        if (own !== null) due.push({ member, before: own.run.before });
      }
    }
  }

  /** What this run has left in a process; `null`: nothing. */
  private ownIn(member: TargetProcess): UpdateRecord | null {
    const { updates } = member.record();
    return updates.find((u) => u.run.id === this.run.id && !isRolledBack(u)) ?? null;
  }
}

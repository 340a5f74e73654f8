/**
 * Old and new versions of data side by side: begun before an update's functions are activated, ended when
 * no thread is inside the version that is not active. What is to be done follows from the runtime's control
 * block, the record and the selector alone, so that whoever finds a process at any step can go on.
 */
import { setTimeout as pause } from "node:timers/promises";
import { addon, type TracerHandle } from "../addon/addon.js";
import { EngineError, type ActiveFrame, type EventSink, type Heat } from "../engine.js";
import type { DataRecord, PatchRecord, TargetRecord, UpdateRecord } from "../record/record.js";
import {
  activeCodeOf,
  dispatchCode,
  newCode,
  oldCode,
  type CodeRange,
} from "../session/active_frames.js";
import { onTarget, type TargetProcess } from "../session/target_process.js";
import { setState, side, type Side } from "./control_block.js";
import { itemBytes } from "./follow.js";
import type { PlannedItem, PlannedSet } from "./items.js";
import { savedMasks } from "./signal_frames.js";
import { HotSites, type HotHistory } from "./hot_sites.js";
import { RuntimeCalls, runtimeFault } from "./runtime_calls.js";

/** A set of the runtime's, and the patch that it belongs to. */
interface Held {
  readonly update: UpdateRecord;
  readonly patch: PatchRecord;
  readonly set: number;
  /** The copies that are to live on. */
  readonly aim: Side;
}

/** SIGSEGV and SIGTRAP; bit 0 is signal 1. */
const handledSignals = (1n << 10n) | (1n << 4n);
/** Of a stack that is looked through for the masks that handlers bring back. */
const mostStack = 1 << 20;
/** How often a thread that is inside the wrong version is looked at again at once; most leave in no time. */
const looks = 5;
const lookAgainMs = 4;

function isActive(patch: PatchRecord, selector: number): boolean {
  return patch.level !== null && patch.level <= selector;
}

/** Sets of the patches that are decided; one that is prepared and not activated yet is its run's. */
function heldSets(record: TargetRecord, selector: number): Held[] {
  return record.updates.flatMap((update) =>
    update.patches.flatMap((patch) => {
      const set = patch.data?.set ?? null;
      const active = isActive(patch, selector);
      if (set === null || (patch.level !== null && !active && !update.run.finished)) return [];
      return [{ update, patch, set, aim: active ? side.new : side.old }];
    }),
  );
}

/** The record with another set number for a patch's data. */
function withSet(
  record: TargetRecord,
  update: string,
  patch: string,
  set: number | null,
): TargetRecord {
  const change = (data: DataRecord | null): DataRecord | null =>
    data === null ? null : { ...data, set };
  return {
    ...record,
    updates: record.updates.map((u) =>
      u.name !== update
        ? u
        : {
            ...u,
            patches: u.patches.map((p) => (p.name === patch ? { ...p, data: change(p.data) } : p)),
          },
    ),
  };
}

/** True if the new copies of one set are the old ones of the other. */
function areStacked(one: Held, other: Held): boolean {
  const items = (held: Held): DataRecord["items"] => held.patch.data?.items ?? [];
  return items(one).some((a) =>
    items(other).some(
      (b) =>
        a.name === b.name ||
        (a.global !== null &&
          b.global !== null &&
          (a.global.new === b.global.old || b.global.new === a.global.old)),
    ),
  );
}

/** Where a thread must not be for the copies that are not `aim`'s to go. */
function heldBy(record: TargetRecord, { update, aim }: Held): readonly CodeRange[] {
  const dispatch = update.patches.flatMap((patch) => dispatchCode(record, patch));
  return aim === side.new
    ? [...oldCode(record, update), ...dispatch]
    : [
        ...update.patches.filter((p) => p.level === null).flatMap((p) => newCode(record, p)),
        ...dispatch,
      ];
}

/** What an attempt to end coexistence came to. */
export interface Settled {
  /** Sets that are at something else than before. */
  readonly changed: number;
  /** Threads that are still inside the version that is not active, and so hold an end. */
  readonly holds: readonly ActiveFrame[];
}

/** The data of one process's updates. */
export class Coexistence {
  private constructor(
    private readonly tracer: TracerHandle,
    private readonly process: TargetProcess,
    private readonly calls: RuntimeCalls,
    private readonly sites: HotSites,
    private readonly onEvent: EventSink,
  ) {}

  /** `null`: the process carries no runtime, so none of its data changes. */
  static of(tracer: TracerHandle, process: TargetProcess, onEvent: EventSink): Coexistence | null {
    const { runtime } = process.record();
    if (runtime === null) return null;
    const calls = new RuntimeCalls(tracer, process, runtime);
    const sites = new HotSites(tracer, process, calls, runtime, onEvent);
    return new Coexistence(tracer, process, calls, sites, onEvent);
  }

  /**
   * Makes the sets of an update that is prepared coherent; nothing is active yet. Goes on where one
   * that was killed had come to.
   * @throws EngineError refused: what was begun is let go by `settle` once the update is undone
   */
  async begin(update: string, sets: readonly PlannedSet[]): Promise<void> {
    if (sets.length === 0) return;
    await this.calls.start();
    await this.unblock();
    for (const planned of sets) await this.beginSet(update, planned);
  }

  /** What the handlers take must reach them: a thread that blocks a signal which it raises is killed. */
  private async unblock(): Promise<void> {
    await this.calls.unblock();
    for (let look = 1; ; look++) {
      const { threads, missed } = await onTarget(this.process.pid, () =>
        addon.tracerSnapshot(this.tracer, this.process.handle, mostStack, handledSignals),
      );
      for (const { address, mask } of threads.flatMap((t) => savedMasks(this.process.handle, t))) {
        if ((mask & handledSignals) === 0n) continue;
        const bytes = Buffer.alloc(8);
        bytes.writeBigUInt64LE(mask & ~handledSignals);
        addon.writeMemory(this.process.handle, address, bytes);
      }
      const [first] = missed;
      if (first === undefined) return;
      if (look === looks)
        throw new EngineError(
          "CANNOT_STOP",
          "refused",
          `thread ${first} of process ${this.process.pid} does not stop`,
          { pid: this.process.pid, help: "try again when it has left the kernel" },
        );
      await pause(lookAgainMs);
    }
  }

  private async beginSet(update: string, { patch, items }: PlannedSet): Promise<void> {
    const known = this.dataOf(update, patch)?.set ?? null;
    const state = known === null ? setState.free : await this.rested(known, patch);
    if (known !== null && state === setState.coherent) return;
    if (known !== null && (state === setState.gathering || state === setState.old))
      await this.drop(known, this.dataOf(update, patch));
    await this.dropStray();
    const set = await this.calls.set();
    this.note(update, patch, set);
    const numbers = new Map<PlannedItem, number>();
    for (const item of items) {
      const number = await this.calls.item(set, item);
      numbers.set(item, number);
      this.writeWords(item.words, number);
      await this.calls.objects(number, item);
    }
    await this.calls.convert(set, side.old, patch);
    for (const [item, number] of numbers) {
      // One may have been on its way into the program's tables when the others were visited.
      if (item.words.length === 0) continue;
      await this.calls.objects(number, item);
      await this.calls.finish(set, patch);
    }
    this.checkVisited(set, patch);
    const { objects } = this.status(set);
    this.onEvent({ event: "coexisting", pid: this.process.pid, update, patch, objects });
  }

  /** Before the functions above `selector` go: their data becomes coherent again where it had been completed. */
  async beforeRollback(selector: number): Promise<void> {
    const record = this.process.record();
    // The newest first: what it holds comes to those below it.
    for (const update of record.updates.toReversed()) {
      for (const { name, level, data } of update.patches.toReversed()) {
        const set = data?.set ?? null;
        if (set === null || level === null || level <= selector) continue;
        if ((await this.rested(set, name)) !== setState.new) continue;
        await this.calls.convert(set, side.new, name);
      }
    }
  }

  /** Ends what can be ended. */
  async settle(): Promise<Settled> {
    const { control } = this.process;
    if (control === null) return { changed: 0, holds: [] };
    const sets = heldSets(this.process.record(), control.selector);
    const holds: ActiveFrame[] = [];
    const waiting: Held[] = [];
    let changed = 0;
    // Of updates on top of each other the lower is completed first, the upper taken back first.
    for (const held of [
      ...sets.filter(({ aim }) => aim === side.old).reverse(),
      ...sets.filter(({ aim }) => aim === side.new),
    ]) {
      const { state } = this.status(held.set);
      // What stores to the other's copies must still come to this one's.
      if (waiting.some((other) => other.aim === held.aim && areStacked(other, held))) {
        waiting.push(held);
        continue;
      }
      const frames = await this.settleSet(held);
      if (frames.length > 0) waiting.push(held);
      holds.push(...frames);
      if (this.status(held.set).state !== state) changed += 1;
    }
    if (!this.isCoherent()) await this.restoreCode();
    return { changed, holds };
  }

  /** Hot stores become direct ones, for as long as two versions are kept coherent; "cold": none is on its way. */
  async rewriteHot(history: HotHistory): Promise<Heat> {
    if (!this.isCoherent()) return "plain";
    return (await this.sites.rewrite(history)) ? "hot" : "cold";
  }

  /** The program's code as it was. @throws EngineError refused: it stays as it is, and does no harm */
  restoreCode(): Promise<void> {
    return this.sites.restore();
  }

  private isCoherent(): boolean {
    return this.calls
      .control()
      .sets.some(({ state }) => state === setState.coherent || state === setState.converting);
  }

  /** Before the same data changes again: what was kept of updates that are rolled back goes. */
  async dropRetired(): Promise<void> {
    const { control } = this.process;
    if (control === null) return;
    for (const { update, patch, set, aim } of heldSets(this.process.record(), control.selector)) {
      if (aim !== side.old || this.status(set).state !== setState.old) continue;
      await this.drop(set, patch.data);
      this.note(update.name, patch.name, null);
    }
    await this.dropStray();
  }

  private async settleSet(held: Held): Promise<readonly ActiveFrame[]> {
    const { update, patch, set, aim } = held;
    const done = aim === side.new ? setState.new : setState.old;
    const now = this.status(set);
    // One that was never finished is taken back: nobody has been inside the others.
    if (now.state === setState.converting && now.from === aim) return this.end(held);
    const state = await this.rested(set, patch.name);
    if (state === done) return [];
    if (state === setState.free || state === setState.gathering) {
      if (aim === side.new) return [];
      if (state === setState.gathering) await this.drop(set, patch.data);
      this.note(update.name, patch.name, null);
      return [];
    }
    if (state !== setState.coherent) {
      // Only the wrong copies live: nobody can have been inside the others.
      await this.calls.convert(set, state === setState.old ? side.old : side.new, patch.name);
    }
    const holds = await this.holds(held);
    return holds.length > 0 ? holds : this.end(held);
  }

  private async end({ update, patch, set, aim }: Held): Promise<readonly ActiveFrame[]> {
    await this.calls.end(set, aim, patch.name);
    await this.calls.finish(set, patch.name);
    this.onEvent({
      event: aim === side.new ? "completed" : "retired",
      pid: this.process.pid,
      update: update.name,
      patch: patch.name,
    });
    return [];
  }

  /** Threads inside the version that is to go. */
  private async holds(held: Held): Promise<readonly ActiveFrame[]> {
    const { pid } = this.process;
    const ranges = heldBy(this.process.record(), held);
    for (let look = 1; ; look++) {
      const { frames, missed } = await activeCodeOf(this.tracer, this.process, ranges);
      const unseen = missed.map((tid) => ({
        pid,
        tid,
        function: "(not seen: it did not stop)",
        patch: held.patch.name,
      }));
      const all = [...frames, ...unseen];
      if (all.length === 0 || look === looks) return all;
      await pause(lookAgainMs);
    }
  }

  /** An object that was visited and could not be made known makes the whole set useless. */
  private checkVisited(set: number, patch: string): void {
    const { fault } = this.status(set);
    if (fault < 0) throw runtimeFault(this.process.pid, patch, fault);
  }

  private writeWords(words: readonly bigint[], number: number | null): void {
    for (const word of words) {
      addon.writeMemory(this.process.handle, word, itemBytes(number));
      addon.faultPoint();
    }
  }

  /** Drops a set of a patch's, and what its functions know of it. */
  private async drop(set: number, data: DataRecord | null): Promise<void> {
    for (const item of data?.items ?? []) this.writeWords(item.words, null);
    await this.calls.drop(set);
  }

  /** The state of a set once nothing of it goes on step by step. */
  private async rested(set: number, what: string): Promise<number> {
    const { state } = this.status(set);
    if (state === setState.converting || state === setState.lifting)
      await this.calls.finish(set, what);
    return this.status(set).state;
  }

  /** Sets that one who was killed had made before he could write their numbers down. */
  private async dropStray(): Promise<void> {
    const used = new Set(
      this.process.record().updates.flatMap((u) => u.patches.map((p) => p.data?.set ?? null)),
    );
    for (const [set, { state }] of this.calls.control().sets.entries()) {
      if (state === setState.gathering && !used.has(set)) await this.calls.drop(set);
    }
  }

  private status(set: number) {
    const status = this.calls.control().sets[set];
    if (status === undefined) throw new Error(`there is no set ${set}`);
    return status;
  }

  private dataOf(update: string, patch: string): DataRecord | null {
    const known = this.process.record().updates.findLast((u) => u.name === update);
    return known?.patches.find((p) => p.name === patch)?.data ?? null;
  }

  private note(update: string, patch: string, set: number | null): void {
    const { control } = this.process;
    if (control === null) throw new EngineError("TARGET_GONE", "refused", "the record is gone");
    control.write(withSet(control.read(), update, patch, set));
  }
}

/** The data of a session's processes: begun, ended and taken back on the session's own tracer. */
import { setTimeout as pause } from "node:timers/promises";
import type { TracerHandle } from "../addon/addon.js";
import { Coexistence, type Settled } from "../data/coexistence.js";
import { newHistory, type HotHistory } from "../data/hot_sites.js";
import type { PlannedSet } from "../data/items.js";
import { EngineError, type ActiveFrame, type EventSink, type Heat } from "../engine.js";
import { undoTo, whileAlive, type TargetProcess } from "./target_process.js";

/** Milliseconds between the looks of `settleSoon`; stores that are caught are counted meanwhile. */
const looksAfterMs = [20, 50, 80] as const;

export interface StillHeld {
  readonly process: TargetProcess;
  readonly holds: readonly ActiveFrame[];
}

export interface ChangingData {
  /** Both versions of a prepared update's data, coherent when this resolves. @throws EngineError */
  begin(process: TargetProcess, update: string, sets: readonly PlannedSet[]): Promise<void>;
  /** What is above `selector` can be taken back afterwards. @throws EngineError; nothing has changed in meaning */
  beforeRollback(process: TargetProcess, selector: number): Promise<void>;
  /** Ends what can be ended. @throws EngineError */
  settle(process: TargetProcess): Promise<Settled>;
  /** The same, where a failure is no reason to fail: a later polus goes on. Resolves to what holds the rest. */
  trySettle(process: TargetProcess): Promise<readonly ActiveFrame[]>;
  /**
   * The same for several processes, looked at again for a moment: most functions return soon, and
   * an update that is complete when it is reported needs no second command. Resolves to those that
   * something holds still.
   */
  settleSoon(processes: readonly TargetProcess[]): Promise<readonly StillHeld[]>;
  /** Rewrites stores that are caught often. A failure is no reason to fail. */
  rewriteHot(process: TargetProcess): Promise<Heat>;
  /** Before code changes: rewritten stores may lie where it does. @throws EngineError */
  restoreCode(process: TargetProcess): Promise<void>;
  /** Forgets data of rolled-back updates. @throws EngineError */
  dropRetired(process: TargetProcess): Promise<void>;
}

export function changingData(
  withTracer: <T>(work: (tracer: TracerHandle) => Promise<T>) => Promise<T>,
  onEvent: EventSink,
): ChangingData {
  const histories = new WeakMap<TargetProcess, HotHistory>();
  /** Opens a tracer only where there is a runtime. */
  const within = async <T>(
    process: TargetProcess,
    otherwise: T,
    work: (data: Coexistence) => Promise<T>,
  ): Promise<T> => {
    if (process.control === null || process.record().runtime === null) return otherwise;
    return withTracer(async (tracer) => {
      const data = Coexistence.of(tracer, process, onEvent);
      return data === null ? otherwise : work(data);
    });
  };
  const settle = (process: TargetProcess): Promise<Settled> =>
    within(process, { changed: 0, holds: [] }, (data) => data.settle());
  const trySettle = async (process: TargetProcess): Promise<readonly ActiveFrame[]> => {
    try {
      return (await settle(process)).holds;
    } catch (error) {
      if (!(error instanceof EngineError)) throw error;
      onEvent({ event: "waiting", pid: process.pid, why: error.message });
      return [];
    }
  };
  return {
    begin: (process, update, sets) =>
      sets.length === 0
        ? Promise.resolve()
        : within(process, undefined, (data) => data.begin(update, sets)),
    beforeRollback: (process, selector) =>
      within(process, undefined, (data) => data.beforeRollback(selector)),
    settle,
    trySettle,
    settleSoon: async (processes) => {
      const look = async (some: readonly TargetProcess[]): Promise<StillHeld[]> => {
        const held: StillHeld[] = [];
        for (const process of some) {
          const holds = (await whileAlive(process, () => trySettle(process))) ?? [];
          if (holds.length > 0) held.push({ process, holds });
        }
        return held;
      };
      let held = await look(processes);
      for (const pauseMs of looksAfterMs) {
        if (held.length === 0) break;
        await pause(pauseMs);
        held = await look(held.map(({ process }) => process));
      }
      return held;
    },
    rewriteHot: async (process) => {
      const history = histories.get(process) ?? newHistory();
      histories.set(process, history);
      try {
        return await within<Heat>(process, "plain", (data) => data.rewriteHot(history));
      } catch (error) {
        if (!(error instanceof EngineError)) throw error;
        return "cold";
      }
    },
    restoreCode: (process) => within(process, undefined, (data) => data.restoreCode()),
    dropRetired: (process) => within(process, undefined, (data) => data.dropRetired()),
  };
}

/** Like `undoTo`, data included. */
export async function undoWithData(
  member: TargetProcess,
  selector: number,
  data: ChangingData,
): Promise<void> {
  await data.beforeRollback(member, selector);
  undoTo(member, selector);
  await data.trySettle(member);
}

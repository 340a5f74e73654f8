/** Follows process trees for as long as somebody wants to know what they start. */
import { addon, type TracerEvent, type TracerHandle } from "../addon/addon.js";
import type { EventSink, Session, Watch, WatchEvent } from "../engine.js";
import { EngineSession } from "./session.js";
import { onTarget, TargetProcess } from "./target_process.js";

function told(kind: TracerEvent, pid: number, parent: number): WatchEvent {
  switch (kind) {
    case "born":
      return { event: "born", pid, parent };
    case "started":
    case "missed":
      return { event: kind, pid };
    case "exec":
    case "exited":
      return { event: "gone", pid, why: kind };
  }
}

export class EngineWatch implements Watch {
  private tracer: TracerHandle | null;

  private constructor(onEvent: (event: WatchEvent) => void) {
    this.tracer = addon.createTracer((kind, pid, parent) => {
      if (this.tracer !== null) onEvent(told(kind, pid, parent));
    });
  }

  static async start(
    exes: readonly string[],
    onEvent: (event: WatchEvent) => void,
  ): Promise<EngineWatch> {
    const watch = new EngineWatch(onEvent);
    await addon.tracerWatchStarts(watch.tracerInUse(), exes);
    return watch;
  }

  /** @throws EngineError refused; see TargetProcess.open */
  follow(pid: number): Promise<void> {
    return onTarget(pid, async () => {
      const { handle } = TargetProcess.open(pid, new Map());
      await addon.tracerFollow(this.tracerInUse(), handle);
    });
  }

  resume(pid: number): Promise<void> {
    return onTarget(pid, () => addon.tracerResume(this.tracerInUse(), pid));
  }

  open(pids: readonly number[], onEvent: EventSink): Promise<Session> {
    return onTarget(pids[0] ?? 0, () => new EngineSession(pids, onEvent, this.tracerInUse()));
  }

  close(): Promise<void> {
    if (this.tracer !== null) addon.tracerClose(this.tracer);
    this.tracer = null;
    return Promise.resolve();
  }

  private tracerInUse(): TracerHandle {
    if (this.tracer === null) throw new Error("the watch is closed");
    return this.tracer;
  }
}

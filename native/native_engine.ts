/** The engine on real processes. */
import {
  EngineError,
  type Engine,
  type EventSink,
  type FileVerification,
  type Finding,
  type ProcessInfo,
  type ProcessStatus,
  type ProgramNames,
  type Session,
  type UpdateRequest,
  type Watch,
  type WatchEvent,
} from "./engine.js";
import { namesOfFile, namesOfPatch } from "./inspect/program_file.js";
import { descendantsOf } from "./process/family.js";
import type { ModuleCache } from "./process/modules.js";
import { hasEnded, listPids, namesExecutable, readExe, readStat } from "./process/proc.js";
import { processInfo } from "./process/process_info.js";
import { examineMachine } from "./process/machine.js";
import { verifyFile } from "./session/verify_file.js";
import { EngineSession } from "./session/session.js";
import { statusOf } from "./session/status.js";
import { onTarget, TargetProcess } from "./session/target_process.js";
import { EngineWatch } from "./session/watch.js";

function pidsRunning(exe: string): readonly number[] {
  return listPids().filter((pid) => {
    const link = pid === process.pid ? null : readExe(pid);
    return link !== null && namesExecutable(link.path, exe);
  });
}

export class NativeEngine implements Engine {
  findProcesses(exe: string): Promise<readonly ProcessInfo[]> {
    const found: ProcessInfo[] = [];
    for (const pid of pidsRunning(exe)) {
      try {
        found.push(processInfo(pid));
      } catch (error) {
        if (!(error instanceof EngineError)) throw error; // ended meanwhile
      }
    }
    return Promise.resolve(found);
  }

  findPids(exe: string): Promise<readonly number[]> {
    return Promise.resolve(pidsRunning(exe));
  }

  processInfo(pid: number): Promise<ProcessInfo> {
    if (pid === process.pid)
      return Promise.reject(
        new EngineError("OWN_PROCESS", "refused", "polus cannot update itself", { pid }),
      );
    return onTarget(pid, () => processInfo(pid));
  }

  async descendants(pid: number): Promise<readonly ProcessInfo[]> {
    const found: ProcessInfo[] = [];
    for (const child of descendantsOf(pid)) {
      try {
        found.push(await this.processInfo(child));
      } catch (error) {
        if (!(error instanceof EngineError)) throw error; // ended meanwhile
      }
    }
    return found;
  }

  status(pid: number): Promise<ProcessStatus | null> {
    const cache: ModuleCache = new Map();
    return onTarget(pid, () => {
      try {
        return statusOf(TargetProcess.open(pid, cache, true));
      } catch (error) {
        if (!hasEnded(pid)) throw error;
        throw new EngineError("NO_SUCH_PROCESS", "refused", `process ${pid} has ended`, { pid });
      }
    });
  }

  async statusOfAll(): Promise<readonly ProcessStatus[]> {
    const all: ProcessStatus[] = [];
    for (const pid of listPids()) {
      if (pid === process.pid || readStat(pid)?.kernelThread !== false) continue;
      try {
        const status = await this.status(pid);
        if (status !== null && status.updates.length > 0) all.push(status);
      } catch (error) {
        // Not ours to look at, or gone; a damaged record is worth knowing of, but not here.
        if (!(error instanceof EngineError)) throw error;
      }
    }
    return all;
  }

  examine(exe: string): Promise<ProgramNames> {
    return onTarget(0, () => namesOfFile(exe));
  }

  examinePatch(bytes: Uint8Array): ProgramNames {
    return namesOfPatch(bytes);
  }

  verifyFile(exe: string, update: UpdateRequest): Promise<FileVerification> {
    return Promise.resolve(verifyFile(exe, update));
  }

  open(pids: readonly number[], onEvent: EventSink): Promise<Session> {
    return onTarget(pids[0] ?? 0, () => new EngineSession(pids, onEvent));
  }

  watch(exes: readonly string[], onEvent: (event: WatchEvent) => void): Promise<Watch> {
    return onTarget(0, () => EngineWatch.start(exes, onEvent));
  }

  doctor(): Promise<readonly Finding[]> {
    return Promise.resolve(examineMachine());
  }
}

/** The one engine that works on processes. Loads the native addon. */
export function createEngine(): Engine {
  return new NativeEngine();
}

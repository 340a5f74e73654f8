/** One process of a session: pinned, with its modules and what it carries of earlier updates. */
import { existsSync } from "node:fs";
import { addon, type ModuleHandle, type TargetHandle } from "../addon/addon.js";
import { EngineError, type FailureKind } from "../engine.js";
import {
  loadedModules,
  codeOf,
  messageOf,
  type LoadedModule,
  type ModuleCache,
} from "../process/modules.js";
import { readMaps, readStat, readStatus } from "../process/proc.js";
import { IndirectFunctions } from "../resolve/ifunc.js";
import { ControlRegion } from "../record/page.js";
import {
  dueRepairs,
  emptyRecord,
  isRolledBack,
  rolledBackTo,
  trueRecord,
  type TargetRecord,
} from "../record/record.js";

/** Codes of the addon that mean "this target does not fit": nothing has changed. */
const refusals = new Set([
  "NO_SUCH_PROCESS",
  "PERMISSION",
  "ALREADY_TRACED",
  "CANNOT_STOP",
  "THREAD_IN_ENTRY",
  "ENTRY_CHANGED",
  "ENTRY_NOT_HOOKABLE",
  "TARGET_GONE",
  "NO_BORROWABLE_THREAD",
  "SECCOMP_DENIES",
  "SHADOW_STACK",
  "WRONG_ARCHITECTURE",
  "MOMENT_TOO_LARGE",
  "CALL_TOO_LARGE",
]);

/** Makes an EngineError of an error of the addon; others pass. */
export function engineError(error: unknown, pid: number): unknown {
  const code = codeOf(error);
  if (error instanceof EngineError || code === null) return error;
  const kind: FailureKind = refusals.has(code) ? "refused" : "failed";
  const help =
    code === "PERMISSION"
      ? "run polus as root, with CAP_SYS_PTRACE, or as the process's own user; polus doctor says what this machine allows"
      : undefined;
  return new EngineError(code, kind, messageOf(error), {
    pid,
    ...(help === undefined ? {} : { help }),
  });
}

/** Runs work on a target with errors of the addon made ours. */
export async function onTarget<T>(pid: number, work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw engineError(error, pid);
  }
}

/** Processes that are born of followed ones are traced by our own tracer thread. */
function isOwnThread(tid: number): boolean {
  return existsSync(`/proc/self/task/${tid}`);
}

export class TargetProcess {
  private constructor(
    readonly pid: number,
    readonly handle: TargetHandle,
    /** As /proc had it when the process was opened. */
    readonly threads: number,
    private readonly cache: ModuleCache,
  ) {
    this.indirect = new IndirectFunctions(pid, handle);
    this.probe = readMaps(pid).find((m) => m.permissions.startsWith("r"))?.start ?? 0n;
  }

  readonly indirect: IndirectFunctions;
  /** Some address that is mapped for as long as the program runs. */
  private readonly probe: bigint;
  private moduleList: readonly LoadedModule[] | null = null;
  private region: ControlRegion | null = null;

  /**
   * Pins a process and looks whether it can be a target at all. Writes nothing.
   * @param onlyToRead another tracer is no hindrance then
   * @throws EngineError refused: NO_SUCH_PROCESS, KERNEL_THREAD, OWN_PROCESS, PERMISSION, ALREADY_TRACED
   */
  static open(pid: number, cache: ModuleCache, onlyToRead = false): TargetProcess {
    const refuse = (code: string, message: string, help?: string): never => {
      throw new EngineError(code, "refused", message, {
        pid,
        ...(help === undefined ? {} : { help }),
      });
    };
    if (!Number.isInteger(pid) || pid <= 0) refuse("NO_SUCH_PROCESS", `${pid} is not a process id`);
    if (pid === process.pid) refuse("OWN_PROCESS", "polus cannot update itself");
    const stat = readStat(pid);
    if (stat === null || stat.state === "Z" || stat.state === "X") {
      throw new EngineError("NO_SUCH_PROCESS", "refused", `there is no process ${pid}`, { pid });
    }
    if (stat.kernelThread) refuse("KERNEL_THREAD", `process ${pid} is a kernel thread`);
    const status = readStatus(pid);
    const group = Number(status.get("Tgid") ?? pid);
    if (group !== pid)
      refuse(
        "NO_SUCH_PROCESS",
        `${pid} is a thread of process ${group}, not a process`,
        `use --pid ${group}`,
      );
    const tracer = Number(status.get("TracerPid") ?? "0");
    if (tracer !== 0 && !onlyToRead && !isOwnThread(tracer))
      refuse(
        "ALREADY_TRACED",
        `process ${pid} is traced by process ${tracer}`,
        "detach that debugger or tracer first",
      );
    let handle: TargetHandle;
    try {
      handle = addon.openTarget(pid);
    } catch (error) {
      throw engineError(error, pid);
    }
    if (addon.targetStartTime(handle) !== stat.startTime)
      refuse("NO_SUCH_PROCESS", `process ${pid} has ended`);
    return new TargetProcess(pid, handle, stat.threads, cache);
  }

  /** False as soon as the process has given up its memory, even if nobody has waited for it yet. */
  get alive(): boolean {
    return (
      addon.targetAlive(this.handle) &&
      addon.readMemorySome(this.handle, this.probe, 1).length === 1
    );
  }

  get modules(): readonly LoadedModule[] {
    this.moduleList ??= loadedModules(this.pid, this.handle, this.cache);
    return this.moduleList;
  }

  /** What stacks are unwound by: the modules, and what polus has loaded. */
  get unwindModules(): readonly ModuleHandle[] {
    const images = this.record().images.flatMap(({ digest, base, size }) => {
      const key = `image ${digest}@${base}`;
      try {
        const known = this.cache.get(key);
        if (known !== undefined) return [known];
        const opened = addon.openLoadedImage(this.handle, "an image of polus", base, size);
        this.cache.set(key, opened);
        return [opened];
      } catch {
        // Without it, stacks that lead through it are looked at word by word.
        return [];
      }
    });
    return [...this.modules.map((m) => m.handle), ...images];
  }

  /** Libraries may have been loaded since. */
  forgetModules(): void {
    this.moduleList = null;
    this.indirect.forget();
  }

  get executable(): LoadedModule {
    const executable = this.modules[0];
    if (executable === undefined)
      throw new EngineError("TARGET_GONE", "refused", `process ${this.pid} has no executable`, {
        pid: this.pid,
      });
    return executable;
  }

  /** The record's region, `null` if the process carries none. */
  get control(): ControlRegion | null {
    this.region ??= ControlRegion.find(this.pid, this.handle);
    return this.region;
  }

  setControl(region: ControlRegion): void {
    this.region = region;
  }

  /** @throws EngineError inconsistent RECORD_DAMAGED */
  record(): TargetRecord {
    const control = this.control;
    return control === null ? emptyRecord : trueRecord(control.read(), control.selector);
  }

  maps(): ReturnType<typeof readMaps> {
    return readMaps(this.pid);
  }
}

/**
 * Like `onTarget`, for a process that must be there: whatever goes wrong once it has
 * ended or executed another program is told as that.
 */
export async function onMember<T>(member: TargetProcess, work: () => T | Promise<T>): Promise<T> {
  try {
    return await onTarget(member.pid, work);
  } catch (error) {
    if (member.alive) throw error;
    if (error instanceof EngineError && error.code === "TARGET_GONE") throw error;
    throw new EngineError(
      "TARGET_GONE",
      "refused",
      `process ${member.pid} has ended or executed another program`,
      { pid: member.pid },
    );
  }
}

/**
 * True if a run or a rollback stopped half way in this process.
 * @param ownRuns runs of this very session between two of their steps
 */
export function needsRecovery(
  member: TargetProcess,
  ownRuns: ReadonlySet<string> = new Set(),
): boolean {
  if (member.control === null) return false;
  const record = member.record();
  if (record.pending !== null) return true;
  if (record.updates.some((u) => !u.run.finished && !isRolledBack(u) && !ownRuns.has(u.run.id)))
    return true;
  const others = record.updates.filter((u) => !ownRuns.has(u.run.id));
  return dueRepairs({ ...record, updates: others }, member.control.selector).length > 0;
}

/** Selects a level and lets the record say that what was above it is rolled back; repairs are the caller's. */
export function undoTo(member: TargetProcess, selector: number): void {
  const control = member.control;
  if (control === null) return;
  if (control.selector > selector) control.select(selector);
  control.write(rolledBackTo(control.read(), selector));
}

/** Lets the record say that a run was activated in all its processes. */
export function markFinished(member: TargetProcess, run: string): void {
  const record = member.record();
  member.control?.write({
    ...record,
    updates: record.updates.map((u) =>
      u.run.id === run ? { ...u, run: { ...u.run, finished: true } } : u,
    ),
  });
}

/**
 * Work on a process that may end at any moment, as those of a tree do.
 * @returns `null` if it ended meanwhile
 */
export async function whileAlive<T>(
  member: TargetProcess,
  work: () => T | Promise<T>,
): Promise<T | null> {
  try {
    return await onTarget(member.pid, work);
  } catch (error) {
    if (member.alive) throw error;
    return null;
  }
}

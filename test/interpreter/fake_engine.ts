/**
 * An engine without processes: it keeps made-up ones in memory (or in a JSON
 * file, so that several runs of the command see one world), behaves as the
 * engine's contract says, and fails where a test wants it to.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { basename } from "node:path";
import {
  EngineError,
  type ActiveFrame,
  type ApplyStep,
  type Engine,
  type EventSink,
  type FailureKind,
  type FileVerification,
  type Finding,
  type OperationResult,
  type ProcessInfo,
  type ProcessStatus,
  type Repair,
  type Session,
  type UpdateRequest,
  type UpdateState,
} from "../../native/engine.js";

import { FakeInspection } from "./fake_inspection.js";

export interface FakeUpdate {
  name: string;
  state: UpdateState;
  scope: "process" | "tree";
  scriptDigest: string;
  points: { name: string; position: number }[];
  /** How many patches are active. */
  position: number;
  patches: { name: string; digest: string; functions: string[] }[];
}

export interface FakeProcess {
  pid: number;
  parent: number;
  exe: string;
  buildId: string;
  threads: number;
  functions: string[];
  updates: FakeUpdate[];
  /** Variables of 8 bytes each, by name; they lie one after another from `wordsAt`. */
  words: Record<string, number>;
  /** Words that the program changes by itself whenever they are written: undoing finds other values. */
  restless: string[];
}

export interface FakeFault {
  /** Which call fails. */
  on: "find" | "open" | "verify" | "apply" | "rollback" | "recover" | "status" | "frames";
  /** Only for this update. */
  update?: string;
  /** `internal`: an error that is no EngineError; `stray`: a rejection beside the call; else that kind. */
  kind: FailureKind | "internal" | "stray";
  code?: string;
  message?: string;
  subject?: string;
  candidates?: string[];
}

export interface FakeWorld {
  processes: FakeProcess[];
  faults: FakeFault[];
  /** How many looks still find a thread inside old code. */
  looksUntilComplete: number;
  /** How long an operation takes, milliseconds. */
  delayMs: number;
  /** Every call that reached the engine, in order. */
  calls: string[];
}

export function fakeProcess(pid: number, more: Partial<FakeProcess> = {}): FakeProcess {
  return {
    pid,
    parent: 0,
    exe: "/usr/bin/server",
    buildId: "5b0c1e4f00112233445566778899aabbccddeeff",
    threads: 4,
    functions: ["work", "serve", "parse", "main"],
    updates: [],
    words: {},
    restless: [],
    ...more,
  };
}

export function fakeWorld(more: Partial<FakeWorld> = {}): FakeWorld {
  return { processes: [], faults: [], looksUntilComplete: 0, delayMs: 0, calls: [], ...more };
}

export class FakeEngine implements Engine {
  constructor(
    readonly world: FakeWorld,
    private readonly save: () => void = () => {},
  ) {}

  /** A world that lives in a JSON file. */
  static fromFile(path: string): FakeEngine {
    if (!existsSync(path)) throw new Error(`no fake world at ${path}`);
    const world: FakeWorld = { ...fakeWorld(), ...JSON.parse(readFileSync(path, "utf8")) };
    return new FakeEngine(world, () => writeFileSync(path, JSON.stringify(world, null, 1)));
  }

  async findProcesses(exe: string): Promise<readonly ProcessInfo[]> {
    this.record(`find ${exe}`);
    this.maybeFail("find");
    return this.world.processes
      .filter((process) =>
        exe.includes("/") ? process.exe === exe : basename(process.exe) === exe,
      )
      .map(infoOf);
  }

  async processInfo(pid: number): Promise<ProcessInfo> {
    return infoOf(this.process(pid));
  }

  async descendants(pid: number): Promise<readonly ProcessInfo[]> {
    const found: ProcessInfo[] = [];
    const below = (parent: number): void => {
      for (const process of this.world.processes) {
        if (process.parent !== parent) continue;
        found.push(infoOf(process));
        below(process.pid);
      }
    };
    below(pid);
    return found;
  }

  async status(pid: number): Promise<ProcessStatus | null> {
    this.maybeFail("status");
    const process = this.process(pid);
    return process.updates.length === 0 ? null : statusOf(process);
  }

  async statusOfAll(): Promise<readonly ProcessStatus[]> {
    this.maybeFail("status");
    return this.world.processes.filter((process) => process.updates.length > 0).map(statusOf);
  }

  async examine(exe: string): ReturnType<Engine["examine"]> {
    const process = this.world.processes.find((one) => one.exe === exe);
    if (process === undefined) {
      throw new EngineError("NO_SUCH_FILE", "invalid", `there is no file ${exe}`, { subject: exe });
    }
    return this.inspectionOf(process);
  }

  /** Fake patches have no names of their own. */
  examinePatch(): ReturnType<Engine["examinePatch"]> {
    return this.inspectionOf(fakeProcess(0));
  }

  inspectionOf(target: FakeProcess): FakeInspection {
    const world = {
      info: () => infoOf(target),
      isAlive: () => this.world.processes.includes(target),
      record: (call: string) => this.record(call),
    };
    return new FakeInspection(world, target);
  }

  async verifyFile(exe: string, update: UpdateRequest): Promise<FileVerification> {
    this.record(`verifyFile ${exe} ${update.name}`);
    const process = this.world.processes.find((one) => one.exe === exe);
    if (process === undefined) {
      throw new EngineError("NO_SUCH_FILE", "invalid", `there is no file ${exe}`, { subject: exe });
    }
    const problems: EngineError[] = [];
    try {
      checkFits(process, update);
    } catch (error) {
      if (!(error instanceof EngineError)) throw error;
      problems.push(error);
    }
    return { functions: functionCount(update), imports: 3, deferred: ["malloc"], problems };
  }

  async open(pids: readonly number[], onEvent: EventSink): Promise<Session> {
    this.record(`open ${pids.join(",")}`);
    this.maybeFail("open");
    const processes = pids.map((pid) => this.process(pid));
    onEvent({
      event: "attached",
      processes: processes.length,
      threads: processes.reduce((sum, process) => sum + process.threads, 0),
    });
    return new FakeSession(this, processes, onEvent);
  }

  async findPids(exe: string): Promise<readonly number[]> {
    return (await this.findProcesses(exe)).map(({ pid }) => pid);
  }

  async watch(): Promise<never> {
    throw new EngineError("NO_WATCH", "refused", "made-up processes start no programs");
  }

  async doctor(): Promise<readonly Finding[]> {
    return [
      { topic: "ptrace", verdict: "ok", text: "allowed" },
      { topic: "cet", verdict: "limited", text: "shadow stacks", help: "none needed" },
    ];
  }

  record(call: string): void {
    this.world.calls.push(call);
    this.save();
  }

  process(pid: number): FakeProcess {
    const process = this.world.processes.find((one) => one.pid === pid);
    if (process === undefined) {
      throw new EngineError("NO_SUCH_PROCESS", "refused", `there is no process ${pid}`, { pid });
    }
    return process;
  }

  /** Lets an operation take its time, as the real ones do. */
  async work(): Promise<void> {
    if (this.world.delayMs > 0) {
      await new Promise((resolve) => setTimeout(resolve, this.world.delayMs));
    }
  }

  maybeFail(on: FakeFault["on"], update?: string): void {
    for (const fault of this.world.faults) {
      if (fault.on !== on || (fault.update !== undefined && fault.update !== update)) continue;
      const message = fault.message ?? `made to fail on ${on}`;
      if (fault.kind === "internal") throw new TypeError(message);
      if (fault.kind === "stray") {
        void Promise.reject(new TypeError(message));
        continue;
      }
      throw new EngineError(fault.code ?? "MADE_TO_FAIL", fault.kind, message, {
        ...(fault.subject === undefined ? {} : { subject: fault.subject }),
        ...(fault.candidates === undefined ? {} : { candidates: fault.candidates }),
      });
    }
  }
}

class FakeSession implements Session {
  private closed = false;

  constructor(
    private readonly engine: FakeEngine,
    private readonly given: readonly FakeProcess[],
    private readonly onEvent: EventSink,
  ) {}

  get processes(): readonly ProcessInfo[] {
    return this.given.map(infoOf);
  }

  /** Of a tree: the descendants that run the same program. */
  private scopeOf(scope: "process" | "tree"): FakeProcess[] {
    const found = [...this.given];
    if (scope === "process") return found;
    const below = (parent: FakeProcess, root: FakeProcess): void => {
      for (const child of this.engine.world.processes) {
        if (child.parent !== parent.pid) continue;
        if (child.exe === root.exe && !found.includes(child)) found.push(child);
        below(child, root);
      }
    };
    for (const root of this.given) below(root, root);
    return found;
  }

  async verify(update: UpdateRequest): ReturnType<Session["verify"]> {
    this.call(`verify ${update.name}`);
    this.engine.maybeFail("verify", update.name);
    const processes = this.scopeOf(update.scope);
    for (const process of processes) checkFits(process, update);
    return {
      result: alreadyApplied(processes, update) ? "already-applied" : "ready",
      functions: functionCount(update),
      imports: 3,
    };
  }

  async stage(update: UpdateRequest): Promise<void> {
    this.call(`stage ${update.name}`);
  }

  async announce(update: UpdateRequest, repairs: readonly Repair[]): Promise<void> {
    this.call(`announce ${update.name} ${repairs.length}`);
  }

  patchBase(): ReturnType<Session["patchBase"]> {
    return null;
  }

  async apply(update: UpdateRequest, step?: ApplyStep): Promise<OperationResult> {
    const whole = { upTo: update.patches.length, more: false, repairs: [] };
    const { upTo, more, repairs }: ApplyStep = step ?? whole;
    this.call(
      `apply ${update.name}` +
        (step === undefined ? "" : ` ${upTo}${more ? " more" : ""} repairs ${repairs.length}`),
    );
    this.engine.maybeFail("apply", update.name);
    await this.engine.work();
    const processes = this.scopeOf(update.scope);
    for (const process of processes) checkFits(process, update);
    if (alreadyApplied(processes, update, upTo)) return result("skipped", processes, 0, 0);
    for (const process of processes) {
      const begun = process.updates.find(
        (one) => one.name === update.name && one.state === "active",
      );
      if (begun !== undefined) {
        begun.position = upTo;
        continue;
      }
      process.updates.push({
        name: update.name,
        state: "active",
        scope: update.scope,
        scriptDigest: update.scriptDigest,
        points: update.points.map(({ name, position }) => ({ name, position })),
        position: upTo,
        patches: update.patches.map((patch) => ({
          name: patch.name,
          digest: patch.digest,
          functions: patch.replacements.map((replacement) => replacement.function),
        })),
      });
      this.onEvent({ event: "activated", pid: process.pid, update: update.name });
    }
    this.engine.record(`applied ${update.name}`);
    return result("done", processes, functionCount(update), update.patches.length);
  }

  async rollback(to?: {
    readonly update: string;
    readonly point: string;
  }): ReturnType<Session["rollback"]> {
    this.call(`rollback ${to === undefined ? "newest" : `${to.update}.${to.point}`}`);
    this.engine.maybeFail("rollback", to?.update);
    await this.engine.work();
    const active = this.given[0]?.updates.filter((one) => one.state === "active") ?? [];
    const name = to?.update ?? active.at(-1)?.name;
    const point = to?.point ?? "start";
    if (name === undefined) {
      return { ...result("skipped", this.given, 0, 0), update: null, point: null };
    }
    const scope = active.find((one) => one.name === name)?.scope ?? "process";
    const processes = this.scopeOf(scope).filter(
      (process) =>
        this.given.includes(process) || process.updates.some((update) => update.name === name),
    );
    let functions = 0;
    let patches = 0;
    for (const process of processes) {
      const index = process.updates.findIndex(
        (update) => update.name === name && update.state === "active",
      );
      const update = process.updates[index];
      if (update === undefined) {
        throw new EngineError("NO_SUCH_UPDATE", "refused", `no active update ${name}`, {
          subject: name,
        });
      }
      const position = update.points.find((one) => one.name === point)?.position;
      if (position === undefined) {
        throw new EngineError("NO_SUCH_POINT", "refused", `${name} has no point ${point}`, {
          subject: point,
          candidates: update.points.map((one) => one.name),
        });
      }
      for (const newer of process.updates.slice(index + 1)) newer.state = "rolled-back";
      patches += update.position - position;
      functions += update.patches.slice(position).flatMap((patch) => patch.functions).length;
      update.position = position;
      if (position === 0) update.state = "rolled-back";
      this.onEvent({ event: "rolled_back", pid: process.pid, update: name, point });
    }
    this.engine.record(`rolled back ${name}.${point}`);
    return { ...result("done", processes, functions, patches), update: name, point };
  }

  async recover(): Promise<OperationResult> {
    this.call("recover");
    this.engine.maybeFail("recover");
    await this.engine.work();
    let found = false;
    const processes = this.scopeOf("tree");
    for (const process of processes) {
      for (const update of process.updates) {
        if (update.state !== "interrupted" && update.state !== "prepared") continue;
        found = true;
        update.state = "rolled-back";
        this.onEvent({ event: "recovered", pid: process.pid, update: update.name, how: "undone" });
      }
    }
    this.engine.record("recovered");
    return result(found ? "done" : "skipped", processes, 0, 0);
  }

  async complete(update: string): Promise<readonly ActiveFrame[]> {
    this.call(`frames ${update}`);
    this.engine.maybeFail("frames", update);
    if (this.engine.world.looksUntilComplete <= 0) return [];
    this.engine.world.looksUntilComplete -= 1;
    const pid = this.given[0]?.pid ?? 0;
    return [{ pid, tid: pid + 1, function: "serve", patch: "p" }];
  }

  async rewriteHot(): ReturnType<Session["rewriteHot"]> {
    return "plain";
  }

  async inspect(pid: number): ReturnType<Session["inspect"]> {
    return this.engine.inspectionOf(this.engine.process(pid));
  }

  async stacks(): ReturnType<Session["stacks"]> {
    return [];
  }

  async close(): Promise<void> {
    if (this.closed) return;
    this.engine.record(`close ${this.given.map((process) => process.pid).join(",")}`);
    this.closed = true;
  }

  private call(text: string): void {
    if (this.closed) throw new Error(`a closed session was used: ${text}`);
    this.engine.record(text);
  }
}

function alreadyApplied(
  processes: readonly FakeProcess[],
  update: UpdateRequest,
  upTo = update.patches.length,
): boolean {
  return processes.every((process) =>
    process.updates.some(
      (one) => one.name === update.name && one.state === "active" && one.position >= upTo,
    ),
  );
}

function result(
  what: "done" | "skipped",
  processes: readonly FakeProcess[],
  functions: number,
  patches: number,
): OperationResult {
  return {
    result: what,
    pids: processes.map((process) => process.pid),
    functions,
    patches,
    stallUsMax: what === "done" ? 210 : 0,
    stoppedThreadsMax: what === "done" ? 4 : 0,
  };
}

function checkFits(process: FakeProcess, update: UpdateRequest): void {
  if (update.buildId !== undefined && !process.buildId.startsWith(update.buildId)) {
    throw new EngineError(
      "BUILD_ID_MISMATCH",
      "refused",
      `process ${process.pid} has build-id ${process.buildId}`,
      { pid: process.pid },
    );
  }
  for (const patch of update.patches) {
    for (const replacement of patch.replacements) {
      if (process.functions.includes(replacement.function)) continue;
      throw new EngineError(
        "UNKNOWN_FUNCTION",
        "refused",
        `there is no function ${replacement.function} in ${process.exe}`,
        { subject: replacement.function, candidates: process.functions.slice(0, 1) },
      );
    }
  }
  const same = process.updates.find((one) => one.name === update.name && one.state === "active");
  if (same === undefined) return;
  const digests = (patches: readonly { readonly digest: string }[]): string =>
    patches.map((patch) => patch.digest).join(" ");
  if (digests(same.patches) !== digests(update.patches)) {
    throw new EngineError(
      "OTHER_CONTENT",
      "refused",
      `process ${process.pid} carries another update of the name ${update.name}`,
      { pid: process.pid, subject: update.name },
    );
  }
}

function functionCount(update: UpdateRequest): number {
  return update.patches.reduce((sum, patch) => sum + patch.replacements.length, 0);
}

function infoOf(process: FakeProcess): ProcessInfo {
  return {
    pid: process.pid,
    parent: process.parent,
    exe: process.exe,
    exeDeleted: false,
    buildId: process.buildId,
    commandLine: [process.exe, "-d"],
    threads: process.threads,
    user: 0,
  };
}

function statusOf(process: FakeProcess): ProcessStatus {
  return {
    pid: process.pid,
    exe: process.exe,
    buildId: process.buildId,
    updates: process.updates.map((update) => ({
      name: update.name,
      state: update.state,
      appliedAt: "2024-05-01T10:00:00.000Z",
      scope: update.scope,
      scriptDigest: update.scriptDigest,
      points: update.points.map((point) => point.name),
      at:
        update.position === update.patches.length
          ? null
          : (update.points.find((point) => point.position === update.position)?.name ?? null),
      patches: update.patches.map((patch, index) => ({
        ...patch,
        active: update.state === "active" && index < update.position,
        data: null,
      })),
    })),
    runtime: null,
  };
}

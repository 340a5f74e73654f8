/**
 * Which processes an update goes to: those that the person named, else the one
 * (or the one tree) that runs the script's target.
 */
import { realpathSync } from "node:fs";
import { basename, dirname, resolve } from "node:path";
import type { Engine, ProcessInfo } from "../../native/engine.js";
import { EngineError } from "../../native/engine.js";
import { diagnose, diagnoseEngineError } from "../diagnose.js";
import { Stop } from "../outcome.js";
import type { Plan, UpdatePlan } from "../plan/plan.js";
import type { ListedProcess } from "../progress/events.js";
import type { RunContext } from "./context.js";

/** Where one update goes. */
export interface UpdateTargets {
  /** What the engine is given: it follows a tree from here by itself, children to come included. */
  readonly roots: readonly ProcessInfo[];
  /** The processes to change as they are now, each root before its descendants; to be shown. */
  readonly processes: readonly ProcessInfo[];
}

/** Processes of one run. */
export interface Targets {
  readonly byUpdate: ReadonlyMap<UpdatePlan, UpdateTargets>;
  /** For which statements run in turn: the processes named, or the roots found. */
  readonly roots: readonly ProcessInfo[];
}

/** Finds the processes of every update of a plan. Throws Stop when one cannot be told for sure. */
export async function findTargets(
  context: RunContext,
  engine: Engine,
  plan: Plan,
  named: readonly number[],
): Promise<Targets> {
  const byUpdate = new Map<UpdatePlan, UpdateTargets>();
  const roots = new Map<number, ProcessInfo>();
  const namedProcesses = await readNamed(context, engine, named);
  for (const process of namedProcesses) roots.set(process.pid, process);
  for (const update of plan.updates) {
    if (named.length > 0) checkExecutable(context, update, namedProcesses);
    const updateRoots =
      named.length > 0 ? namedProcesses : await findByTarget(context, engine, update);
    for (const process of updateRoots) roots.set(process.pid, process);
    byUpdate.set(update, {
      roots: updateRoots,
      processes: await withDescendants(context, engine, update, updateRoots),
    });
  }
  return { byUpdate, roots: [...roots.values()] };
}

/** What is listed of a process before it is touched. */
export function listed(process: ProcessInfo): ListedProcess {
  return {
    pid: process.pid,
    exe: process.exe + (process.exeDeleted ? " (deleted)" : ""),
    user: process.user,
    threads: process.threads,
    command: process.commandLine.join(" "),
  };
}

async function readNamed(
  context: RunContext,
  engine: Engine,
  pids: readonly number[],
): Promise<readonly ProcessInfo[]> {
  const processes: ProcessInfo[] = [];
  const problems: EngineError[] = [];
  for (const pid of new Set(pids)) {
    try {
      processes.push(await engine.processInfo(pid));
    } catch (error) {
      if (!(error instanceof EngineError)) throw error;
      problems.push(error);
      context.reporter.diagnostic(diagnoseEngineError(error));
    }
  }
  const [first] = problems;
  if (first !== undefined) {
    context.tally.state = "unchanged";
    throw new Stop(first.kind);
  }
  return processes;
}

/** Whether a process runs the executable that a target names (base name, or path from the script). */
export function runsExecutable(process: ProcessInfo, exe: string, scriptPath: string): boolean {
  const wanted = wantedExecutable(exe, scriptPath);
  return wanted.includes("/") ? process.exe === wanted : basename(process.exe) === wanted;
}

/** A target's executable as the engine takes it: a base name, or the path of the file that links lead to. */
export function wantedExecutable(exe: string, scriptPath: string): string {
  if (!exe.includes("/")) return exe;
  const path = resolve(dirname(scriptPath), exe);
  try {
    return realpathSync(path);
  } catch {
    // It was deleted or replaced while it runs: the kernel still tells the old path.
    return path;
  }
}

function refuse(context: RunContext, parts: Parameters<typeof diagnose>[0]): never {
  context.reporter.diagnostic(diagnose(parts));
  context.tally.state = "unchanged";
  throw new Stop("refused");
}

function checkExecutable(
  context: RunContext,
  update: UpdatePlan,
  processes: readonly ProcessInfo[],
): void {
  const exe = update.checked.target?.exe;
  if (exe === undefined) return;
  for (const process of processes) {
    if (runsExecutable(process, exe.value, update.checked.span.file.path)) continue;
    refuse(context, {
      code: "exe-mismatch",
      message: `process ${process.pid} runs ${process.exe}, not ${exe.value}`,
      span: exe.span,
      suggestion: `name another process by --pid, or change the target's exe`,
    });
  }
}

/** Whether any process runs the target of an update (true where it names none). */
export async function someProcessRuns(engine: Engine, update: UpdatePlan): Promise<boolean> {
  const exe = update.checked.target?.exe;
  if (exe === undefined) return true;
  const wanted = wantedExecutable(exe.value, update.checked.span.file.path);
  return (await engine.findProcesses(wanted)).length > 0;
}

async function findByTarget(
  context: RunContext,
  engine: Engine,
  update: UpdatePlan,
): Promise<readonly ProcessInfo[]> {
  const exe = update.checked.target?.exe;
  if (exe === undefined) {
    context.reporter.diagnostic(
      diagnose({
        code: "target-needed",
        message: `update ${update.name} names no executable, and no process was named`,
        span: update.checked.span,
        suggestion: 'give the process by --pid, or write `target { exe "…" }`',
      }),
    );
    throw new Stop("invalid");
  }
  const found = await engine.findProcesses(
    wantedExecutable(exe.value, update.checked.span.file.path),
  );
  if (found.length === 0) {
    refuse(context, {
      code: "no-process",
      message: `no process runs ${exe.value}`,
      span: exe.span,
      suggestion: "start it, or name the process by --pid",
    });
  }
  if (found.length === 1) return found;
  const root = update.scope === "tree" ? await commonAncestor(engine, found) : undefined;
  if (root !== undefined) return [root];
  context.reporter.progress({
    event: "processes",
    update: update.name,
    processes: found.map(listed),
  });
  const related = update.scope !== "tree" && (await commonAncestor(engine, found)) !== undefined;
  refuse(context, {
    code: "several-processes",
    message: `${found.length} processes run ${exe.value}: ${found.map((process) => process.pid).join(", ")}`,
    span: exe.span,
    suggestion: related
      ? "write `scope tree` to update all of them, or name one by --pid"
      : "name those that are meant by --pid",
  });
}

/** The one of these processes of which all others are descendants. */
async function commonAncestor(
  engine: Engine,
  processes: readonly ProcessInfo[],
): Promise<ProcessInfo | undefined> {
  const pids = new Set(processes.map((process) => process.pid));
  for (const candidate of processes) {
    // Only a topmost one can be it.
    if (pids.has(candidate.parent)) continue;
    const below = new Set((await engine.descendants(candidate.pid)).map((process) => process.pid));
    if (processes.every((process) => process === candidate || below.has(process.pid))) {
      return candidate;
    }
  }
  return undefined;
}

/** An update's processes below some roots, these included; each root before its descendants. */
export async function withDescendants(
  context: RunContext,
  engine: Engine,
  update: UpdatePlan,
  roots: readonly ProcessInfo[],
): Promise<readonly ProcessInfo[]> {
  if (update.scope !== "tree") return roots;
  const all = new Map<number, ProcessInfo>();
  for (const root of roots) {
    all.set(root.pid, root);
    for (const process of await engine.descendants(root.pid)) {
      if (all.has(process.pid)) continue;
      if (sameProgram(process, root)) all.set(process.pid, process);
      else {
        context.reporter.progress({
          event: "left_out",
          pid: process.pid,
          exe: process.exe,
          why: `it runs another program than ${root.pid}`,
        });
      }
    }
  }
  return [...all.values()];
}

function sameProgram(process: ProcessInfo, root: ProcessInfo): boolean {
  if (process.buildId !== null && root.buildId !== null) return process.buildId === root.buildId;
  return process.exe === root.exe;
}

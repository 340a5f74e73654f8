/** Starts target programs, speaks their protocol (test/targets/target.h), and ends them. */
import { type ChildProcess, spawn } from "node:child_process";
import { constants } from "node:os";
import { createInterface } from "node:readline";
import { Readable, type Writable } from "node:stream";
import { targetSource } from "./repository.js";
import { build } from "./toolchain.js";

/** How a target is compiled. */
export interface TargetBuild {
  /** Base name of the program; also the source's unless `sources` is given. */
  readonly name: string;
  /** File names in test/targets, or absolute paths. */
  readonly sources?: readonly string[];
  readonly flags?: readonly string[];
  readonly libraries?: readonly string[];
}

const commonFlags = [
  "-std=gnu11",
  "-D_GNU_SOURCE",
  "-Wall",
  "-Wextra",
  "-Werror",
  "-O2",
  "-g",
  "-pthread",
] as const;

/** Compiles a target with the protocol's own files; returns the program's path. */
export function buildTarget(request: TargetBuild): string {
  const own = request.sources ?? [`${request.name}.c`];
  return build({
    name: request.name,
    sources: [...own, "target.c", "confine.c"].map((file) =>
      file.startsWith("/") ? file : targetSource(file),
    ),
    flags: [...commonFlags, `-I${targetSource("")}`, ...(request.flags ?? [])],
    ...(request.libraries ? { libraries: request.libraries } : {}),
  });
}

/** Calls of one function in the current epoch, by the version they reached. */
export interface ProbeCounts {
  readonly old: number;
  readonly new: number;
  readonly newer: number;
}

export interface TargetState {
  readonly pid: number;
  readonly epoch: number;
  readonly errors: number;
  readonly firstError: string | null;
  readonly probes: Readonly<Record<string, ProbeCounts>>;
  readonly counters: Readonly<Record<string, number>>;
  readonly verdict?: "clean" | "violated";
}

export interface StartOptions {
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** First process of a pid namespace of its own. */
  readonly pidNamespace?: boolean;
  /** How long READY or a reply may take. */
  readonly patienceMs?: number;
}

export async function sleep(milliseconds: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** Compiles the program that is the targets' parent; see launch.c. */
function launcher(): string {
  return build({
    name: "launch",
    sources: [targetSource("launch.c")],
    flags: ["-std=gnu11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-O2"],
  });
}

/** Name of a signal, such as SIGKILL, by its number. */
function signalName(number: number): string {
  const found = Object.entries(constants.signals).find(([, value]) => value === number);
  return found?.[0] ?? `signal ${number}`;
}

/** The launcher's report that a process has ended may still be on its way. */
function signalIfAlive(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
  }
}

/** A running target program. */
export class TargetProcess {
  private readonly lines: string[] = [];
  private readonly waiting: ((line: string | null) => void)[] = [];
  private errorText = "";
  private ended = false;
  private ownPid = 0;
  /** What its parent has seen of job control: `stopped 19`, `continued`. */
  readonly parentSaw: string[] = [];
  /** Exit code or signal's name, `null` while it runs. */
  exit: number | string | null = null;

  private constructor(
    private readonly launcher: ChildProcess,
    private readonly input: Writable,
    private readonly patienceMs: number,
    readonly program: string,
  ) {
    // Writing to a target that has died is reported by the missing reply.
    input.on("error", () => undefined);
    launcher.on("exit", () => (this.exit ??= "launcher died"));
  }

  /** Starts `program` and waits until it is READY. */
  static async start(program: string, options: StartOptions = {}): Promise<TargetProcess> {
    const args = [
      ...(options.pidNamespace ? ["--pid-namespace"] : []),
      program,
      ...(options.args ?? []),
    ];
    const child = spawn(launcher(), args, {
      stdio: ["pipe", "pipe", "pipe", "pipe"],
      // A session of its own: signals to our process group do not reach it.
      detached: true,
      env: { ...process.env, ...options.env },
    });
    const [input, output, errors, reports] = child.stdio;
    if (!input || !output || !errors || !(reports instanceof Readable)) {
      throw new Error(`${program} could not be started`);
    }
    const target = new TargetProcess(child, input, options.patienceMs ?? 15_000, program);
    const started = new Promise<void>((resolve) => {
      createInterface({ input: reports }).on("line", (line) => {
        target.hear(line);
        resolve();
      });
      child.on("exit", resolve);
      child.on("error", () => resolve());
    });
    createInterface({ input: output }).on("line", (line) => target.deliver(line));
    output.on("close", () => target.finish());
    errors.on("data", (text: Buffer) => (target.errorText += text.toString()));
    await started;
    const ready = await target.nextLine();
    if (ready !== "READY") {
      await target.kill();
      throw new Error(`${program} said ${JSON.stringify(ready)}: ${target.errorText}`);
    }
    return target;
  }

  /** Pid as we see it. */
  get pid(): number {
    return this.ownPid;
  }

  /** Pid of its parent. */
  get parentPid(): number {
    return this.launcher.pid ?? 0;
  }

  /** A line of the launcher. */
  private hear(line: string): void {
    const [word, value] = line.split(" ");
    if (word === "pid") this.ownPid = Number(value);
    else if (word === "exited") this.exit = Number(value);
    else if (word === "killed") this.exit = signalName(Number(value));
    else this.parentSaw.push(line);
  }

  private deliver(line: string): void {
    const next = this.waiting.shift();
    if (next) next(line);
    else this.lines.push(line);
  }

  private finish(): void {
    this.ended = true;
    for (const next of this.waiting.splice(0)) next(null);
  }

  private async nextLine(): Promise<string | null> {
    const line = this.lines.shift();
    if (line !== undefined) return line;
    if (this.ended) return null;
    return await new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        reject(new Error(`${this.program} (pid ${this.ownPid}) did not answer in time`));
      }, this.patienceMs);
      this.waiting.push((text) => {
        clearTimeout(timer);
        resolve(text);
      });
    });
  }

  /** Sends a line and parses the JSON object that answers it. */
  async ask(command: string): Promise<Readonly<Record<string, unknown>>> {
    this.input.write(`${command}\n`);
    const line = await this.nextLine();
    if (line === null) {
      await this.exited();
      throw new Error(
        `${this.program} ended (${this.exit}) when asked ${command}: ${this.errorText}`,
      );
    }
    const reply: unknown = JSON.parse(line);
    return record(reply);
  }

  async state(): Promise<TargetState> {
    return parseState(await this.ask("state"));
  }

  /** Begins a new epoch and gives the threads time to make calls in it. */
  async freshCounts(milliseconds = 150): Promise<TargetState> {
    await this.ask("reset");
    await sleep(milliseconds);
    return await this.state();
  }

  /** Asks it to execute itself anew (see reexec.c) and waits until it is READY again. */
  async restart(command: string): Promise<void> {
    this.input.write(`${command}\n`);
    // On a busy machine it may have executed itself before the answer was written.
    const answer = await this.nextLine();
    const ready = answer?.startsWith("{") ? await this.nextLine() : answer;
    if (ready !== "READY") throw new Error(`${this.program} said ${JSON.stringify(ready)}`);
  }

  /** Asks it to end by itself; returns its last state. */
  async quit(): Promise<TargetState> {
    const last = parseState(await this.ask("quit"));
    await this.exited();
    return last;
  }

  /** Waits until the process is gone. */
  async exited(): Promise<number | string> {
    const deadline = Date.now() + this.patienceMs;
    while (this.exit === null) {
      if (Date.now() > deadline) throw new Error(`${this.program} does not end`);
      await sleep(5);
    }
    return this.exit;
  }

  get alive(): boolean {
    return this.exit === null;
  }

  /** Signals the program itself. */
  signal(name: NodeJS.Signals): void {
    if (this.alive) signalIfAlive(this.pid, name);
  }

  /** Ends it by force; no effect when it is gone. */
  async kill(): Promise<void> {
    if (this.exit !== null) return;
    // Without a pid the launcher itself failed.
    if (this.ownPid === 0) this.launcher.kill("SIGKILL");
    else signalIfAlive(this.ownPid, "SIGKILL");
    await this.exited();
  }
}

function record(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new TypeError(`not an object: ${JSON.stringify(value)}`);
  }
  return Object.fromEntries(Object.entries(value));
}

function number(value: unknown): number {
  if (typeof value !== "number") throw new TypeError(`not a number: ${JSON.stringify(value)}`);
  return value;
}

function mapValues<T>(value: unknown, convert: (member: unknown) => T): Record<string, T> {
  return Object.fromEntries(
    Object.entries(record(value)).map(([name, member]) => [name, convert(member)]),
  );
}

function parseState(reply: Readonly<Record<string, unknown>>): TargetState {
  const { firstError, verdict } = reply;
  return {
    pid: number(reply["pid"]),
    epoch: number(reply["epoch"]),
    errors: number(reply["errors"]),
    firstError: typeof firstError === "string" ? firstError : null,
    probes: mapValues(reply["probes"], (counts) => {
      const members = record(counts);
      return {
        old: number(members["old"]),
        new: number(members["new"]),
        newer: number(members["newer"]),
      };
    }),
    counters: mapValues(reply["counters"], number),
    ...(verdict === "clean" || verdict === "violated" ? { verdict } : {}),
  };
}

/**
 * Runs `body` with a started target and makes sure that it ends: asks it to
 * quit, requires a clean verdict, and kills it when `body` throws.
 */
export async function withTarget<T>(
  program: string,
  options: StartOptions,
  body: (target: TargetProcess) => Promise<T>,
): Promise<T> {
  const target = await TargetProcess.start(program, options);
  try {
    const result = await body(target);
    const last = await target.quit();
    if (last.verdict !== "clean") {
      throw new Error(`${program} found ${last.errors} violations, first: ${last.firstError}`);
    }
    return result;
  } finally {
    await target.kill();
  }
}

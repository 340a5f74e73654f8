/**
 * The `polus` command: reads the command line, runs one command, tells the
 * outcome, and makes sure that this happens whatever goes wrong. Modules that
 * take time to load (parser, schemas, native layer) are imported where they are
 * needed: `--help` and bad command lines load none of them.
 */
import type { Engine } from "../native/engine.js";
import { EngineError } from "../native/engine.js";
import {
  commands,
  helpText,
  parseCommandLine,
  type CommandName,
  type ParsedCommand,
} from "./command_line.js";
import type { Command, CommandContext } from "./commands/command.js";
import { diagnose, diagnoseEngineError, diagnoseInternal, fileSpan } from "./diagnose.js";
import { packageVersion } from "./installation.js";
import { Journal, journalFolder } from "./journal.js";
import { exitCodeOf, outcomeOfError, Stop, type Outcome } from "./outcome.js";
import type { Done } from "./progress/events.js";
import { DescriptorOutput, type Output } from "./progress/output.js";
import { wantsColour } from "./progress/paint.js";
import { escapeBlock, JsonReporter, TextReporter, type Reporter } from "./progress/reporter.js";
import { Interruption } from "./run/interruption.js";
import { Tally } from "./run/tally.js";
import { loadSettings, type LoadedSettings } from "./settings.js";

/** The world around the command; a test gives its own engine, nothing else does. */
export interface Host {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly workingFolder: string;
  readonly effectiveUser: number;
  readonly standardOutput: Output;
  readonly standardError: Output;
  readonly createEngine: () => Promise<Engine>;
}

/** How long leaving may take when something unexpected happened, milliseconds. */
const closingDeadlineMs = 5000;

/** The host of the installed command. */
export function systemHost(createEngine: () => Promise<Engine> = loadNativeEngine): Host {
  return {
    environment: process.env,
    workingFolder: process.cwd(),
    effectiveUser: process.geteuid?.() ?? -1,
    standardOutput: new DescriptorOutput(1),
    standardError: new DescriptorOutput(2),
    createEngine,
  };
}

async function loadNativeEngine(): Promise<Engine> {
  const native = await import("../native/native_engine.js");
  return native.createEngine();
}

/** Runs one command line and returns the exit code; everything is written when it resolves. */
export async function main(words: readonly string[], host: Host = systemHost()): Promise<number> {
  const line = parseCommandLine(words);
  const wantsJson = words.includes("--json");
  const { standardOutput, standardError } = host;
  if (line.kind === "help" || line.kind === "version") {
    const text = line.kind === "help" ? helpText(line.command) : `polus ${packageVersion()}`;
    standardOutput.write(`${text}\n`);
    await standardOutput.flush();
    return 0;
  }
  const command = line.kind === "command" ? line.parsed.command : line.command;
  const needsSettings = command !== null && command !== "status";
  const loaded: LoadedSettings = needsSettings
    ? await loadSettings(host.environment)
    : { settings: {}, problems: [] };
  const colour = wantsColour(host.environment, loaded.settings.colour);
  const reporter = wantsJson
    ? new JsonReporter(standardOutput, standardError, colour)
    : new TextReporter(standardOutput, standardError, colour);
  for (const { path, message } of loaded.problems) {
    reporter.diagnostic(
      diagnose({ severity: "warning", code: "invalid-settings", message, span: fileSpan(path) }),
    );
  }
  const run = new CommandRun(host, reporter, loaded, command, words);
  return line.kind === "command"
    ? run.execute(line.parsed)
    : run.rejectCommandLine(line.message, line.suggestion);
}

/** One run of one command, from its first step to its exit code. */
class CommandRun {
  private readonly tally = new Tally();
  private readonly interruption: Interruption;
  private readonly journal: Journal;
  private readonly exitActions: (() => Promise<void>)[] = [];
  private engine: Promise<Engine> | undefined;

  constructor(
    private readonly host: Host,
    private readonly reporter: Reporter,
    private readonly loaded: LoadedSettings,
    private readonly command: CommandName | null,
    private readonly words: readonly string[],
  ) {
    this.interruption = new Interruption((event) => reporter.progress(event));
    this.journal = new Journal(
      journalFolder(host.environment, loaded.settings.journal_folder),
      (message) => this.tally.warn(message),
    );
  }

  async rejectCommandLine(message: string, suggestion: string | null): Promise<number> {
    this.reporter.diagnostic(diagnose({ code: "command-line", message, suggestion }));
    const endsWithDone = this.command === null || commands[this.command].endsWithDone;
    if (this.words.includes("--json") && endsWithDone) this.reporter.done(this.done("invalid"));
    await this.reporter.flush();
    return exitCodeOf("invalid");
  }

  async execute(parsed: ParsedCommand): Promise<number> {
    this.interruption.install();
    const keepsJournal =
      parsed.command === "run" ||
      parsed.command === "watch" ||
      parsed.command === "rollback" ||
      parsed.command === "recover";
    if (keepsJournal && !parsed.flags.has("dry-run")) this.journalBegin();
    const unexpected = new UnexpectedErrors();
    const context = this.context(parsed);
    const work = loadCommand(parsed.command).then((implementation) => implementation(context));
    let outcome: Outcome;
    try {
      outcome = await Promise.race([work, unexpected.first]);
    } catch (error) {
      outcome = this.tell(error, context);
      if (unexpected.happened) await this.stopWork(work);
    }
    await this.leave();
    // From here on nothing may change the outcome, and a signal ends us as usual.
    unexpected.ignore();
    this.interruption.release();
    if (keepsJournal && !parsed.flags.has("dry-run")) {
      this.journal.append({
        record: "end",
        outcome,
        state: this.tally.state ?? null,
        duration_ms: this.tally.durationMs,
      });
    }
    return this.finish(parsed.command, outcome);
  }

  /** The work goes on although something unexpected happened beside it: it is to undo and end. */
  private async stopWork(work: Promise<Outcome>): Promise<void> {
    this.interruption.request("internal error");
    await within(
      closingDeadlineMs,
      work.then(
        () => {},
        () => {},
      ),
    );
  }

  private context(parsed: ParsedCommand): CommandContext {
    const { host, reporter, tally, interruption, journal } = this;
    return {
      parsed,
      environment: host.environment,
      workingFolder: host.workingFolder,
      effectiveUser: host.effectiveUser,
      reporter,
      tally,
      interruption,
      journal,
      settings: this.loaded.settings,
      engine: () => (this.engine ??= host.createEngine()),
      beforeExit: (action) => void this.exitActions.push(action),
      write: (text) =>
        host.standardOutput.write(host.standardOutput.isTerminal ? escapeBlock(text) : text),
      outputs: { standard: host.standardOutput, error: host.standardError },
      ask: (text) => host.standardError.write(text),
      reportInternal: (error) => {
        reporter.diagnostic(diagnoseInternal(error));
        if (parsed.flags.has("debug") && error instanceof Error && error.stack !== undefined) {
          host.standardError.write(`${error.stack}\n`);
        }
      },
    };
  }

  private journalBegin(): void {
    const { environment, effectiveUser } = this.host;
    const invoking = environment["SUDO_UID"];
    this.journal.append({
      record: "begin",
      version: packageVersion(),
      command: this.command ?? "",
      arguments: this.words,
      process: process.pid,
      user: Math.max(0, effectiveUser),
      invoking_user:
        invoking !== undefined && /^\d{1,10}$/.test(invoking) ? Number(invoking) : null,
    });
  }

  /** Says what an error means and returns its outcome. */
  private tell(error: unknown, context: CommandContext): Outcome {
    const outcome = outcomeOfError(error, this.tally.touched);
    if (error instanceof EngineError) this.reporter.diagnostic(diagnoseEngineError(error));
    else if (!(error instanceof Stop)) {
      context.reportInternal(error);
      if (outcome === "inconsistent") {
        this.tally.state ??= "unknown";
        this.tally.warn("see `polus status`, then run `polus recover --pid N` for each process");
      }
    }
    if (outcome === "refused" || (outcome === "failed" && !this.tally.touched)) {
      this.tally.state ??= "unchanged";
    }
    return outcome;
  }

  /** Lets go of everything; bounded, since what hangs here is broken already. */
  private async leave(): Promise<void> {
    const results = await within(
      closingDeadlineMs,
      Promise.allSettled(this.exitActions.map((action) => action())),
    );
    if (results === "late") {
      this.tally.warn(`detaching took longer than ${closingDeadlineMs} ms and was given up`);
      return;
    }
    for (const result of results) {
      if (result.status === "fulfilled") continue;
      const reason = result.reason instanceof Error ? result.reason.message : String(result.reason);
      this.tally.warn(`detaching: ${reason}`);
    }
  }

  private async finish(command: CommandName, outcome: Outcome): Promise<number> {
    if (commands[command].endsWithDone) this.reporter.done(this.done(outcome));
    await this.reporter.flush();
    return exitCodeOf(outcome);
  }

  private done(outcome: Outcome): Done {
    const { tally } = this;
    const successful = exitCodeOf(outcome) === 0;
    const state =
      tally.state ??
      (successful ? undefined : outcome === "inconsistent" ? "unknown" : "unchanged");
    const completion = successful ? tally.completion : undefined;
    return {
      event: "done",
      outcome,
      pids: tally.pids,
      functions: tally.functions,
      patches: tally.patches,
      stall_us_max: tally.stallUsMax,
      stopped_threads_max: tally.stoppedThreadsMax,
      duration_ms: tally.durationMs,
      ...(state === undefined ? {} : { state }),
      ...(completion === undefined ? {} : { completion }),
      ...(completion === "pending" ? { held_by: tally.heldBy } : {}),
      ...(tally.warnings.length === 0 ? {} : { warnings: tally.warnings }),
    };
  }
}

/** What a promise resolves to, or "late" after that many milliseconds. */
async function within<T>(milliseconds: number, work: Promise<T>): Promise<T | "late"> {
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<"late">((resolve) => {
    timer = setTimeout(() => resolve("late"), milliseconds);
  });
  try {
    return await Promise.race([work, deadline]);
  } finally {
    clearTimeout(timer);
  }
}

/** Errors that nobody caught: the first one ends the command like an error of its own. */
class UnexpectedErrors {
  readonly first: Promise<never>;
  happened = false;
  private ignored = false;

  constructor() {
    this.first = new Promise((_resolve, reject) => {
      const take = (error: unknown): void => {
        if (this.ignored) return;
        this.happened = true;
        reject(error);
      };
      process.on("uncaughtException", take);
      process.on("unhandledRejection", take);
    });
    // It is raced with the command; without one it must not count as unhandled itself.
    this.first.catch(() => {});
  }

  ignore(): void {
    this.ignored = true;
  }
}

async function loadCommand(name: CommandName): Promise<Command> {
  switch (name) {
    case "run":
      return (await import("./commands/run.js")).run;
    case "check":
      return (await import("./commands/check.js")).run;
    case "status":
      return (await import("./commands/status.js")).run;
    case "rollback":
      return (await import("./commands/rollback.js")).run;
    case "recover":
      return (await import("./commands/recover.js")).run;
    case "doctor":
      return (await import("./commands/doctor.js")).run;
    case "fmt":
      return (await import("./commands/fmt.js")).run;
    case "repl":
      return (await import("./commands/repl.js")).run;
    case "watch":
      return (await import("./commands/watch.js")).run;
    case "patchgen":
      return (await import("./commands/patchgen.js")).run;
    case "build":
      return (await import("./commands/build.js")).run;
  }
}

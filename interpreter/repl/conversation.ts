/**
 * What a REPL knows and does, whatever the terminal: the attached process, what was
 * declared, what was changed. Each input is a small script that goes the same way as
 * one of `polus run`.
 */
import { join } from "node:path";
import { EngineError } from "../../native/engine.js";
import { hasErrors, type Diagnostic } from "../../lang/diagnostics/diagnostic.js";
import { Dialogue, type CheckedInput, type WrittenItem } from "../../lang/dialogue.js";
import { diskFiles, maximumScriptBytes } from "../../lang/files.js";
import type { CheckedScript } from "../../lang/check/checked.js";
import { firstWord } from "../../lang/source.js";
import type { CommandContext } from "../commands/command.js";
import { diagnose, diagnoseEngineError } from "../diagnose.js";
import { packageRoot } from "../installation.js";
import { outcomeOfError, Stop, type Outcome } from "../outcome.js";
import { loadPatches } from "../patches/load.js";
import { targetHeader } from "../patches/target_header.js";
import { buildPlan, type Plan } from "../plan/plan.js";
import { execute, verifyAll } from "../run/execute.js";
import { Interruption } from "../run/interruption.js";
import { liveExpressions } from "../run/live_expressions.js";
import type { Binding } from "../run/evaluation.js";
import { UndoLog } from "../run/undo.js";
import { Tally } from "../run/tally.js";
import { findTargets } from "../run/targets.js";
import { fileTrust, trustedFiles } from "../script.js";
import { printConstant } from "../values/print.js";
import { Attachment } from "./attachment.js";
import type { ReplReporter } from "./repl_reporter.js";

/** What a person did wrong, decidable before anything is done. */
export class Problem extends Error {
  constructor(readonly diagnostic: Diagnostic) {
    super(diagnostic.message);
  }
}

/** What one input has changed in a process. */
interface Change {
  readonly pid: number;
  readonly log: UndoLog;
}

export class Conversation {
  readonly dialogue: Dialogue;
  attachment: Attachment | null = null;
  /** Inputs that worked, for `.save`. */
  private readonly transcript: WrittenItem[] = [];
  /** What happened, for `.log`. */
  readonly log: string[] = [];
  private readonly trust: ReturnType<typeof fileTrust>;
  /** What can be taken back, newest last. */
  private readonly changes: Change[] = [];
  /** The session's own variables. */
  private readonly names = new Map<string, Binding>();
  private interruption: Interruption | null = null;
  private depth = 0;

  constructor(
    private readonly command: CommandContext,
    readonly reporter: ReplReporter,
  ) {
    this.trust = fileTrust(command);
    this.dialogue = new Dialogue({
      files: trustedFiles(this.trust, diskFiles, maximumScriptBytes),
      stdlib: join(packageRoot, "stdlib"),
    });
  }

  /** `vsftpd:1234 +2> `: process and how many updates it carries. */
  get prompt(): string {
    if (this.attachment === null) return "polus> ";
    const { exe, pid } = this.attachment.process;
    const name = exe.split("/").at(-1) ?? exe;
    return `${name}:${pid}${this.depth > 0 ? ` +${this.depth}` : ""}> `;
  }

  /** Ends the REPL after the command under way; set by the shell. */
  leave: () => void = () => {};

  /**
   * The inputs that worked, as a script. Of a name that was declared several times the last
   * declaration counts; updates that were never applied are left out, as a script must.
   */
  asScript(): string {
    const last = new Map(
      this.transcript.flatMap((item) =>
        item.declares === undefined ? [] : [[item.declares, item]],
      ),
    );
    const used = new Set(
      this.transcript.flatMap(({ declares, update }) =>
        declares === undefined ? (update ?? []) : [],
      ),
    );
    const kept = this.transcript.filter(
      (item) =>
        item.declares === undefined ||
        (last.get(item.declares) === item && (item.update === undefined || used.has(item.update))),
    );
    return kept.map(({ text }) => `${text}\n`).join("");
  }

  /** Asks what runs to stop where that is safe. */
  interrupt(by: string): void {
    this.interruption?.request(by);
  }

  async attach(pid: number): Promise<Outcome> {
    return this.guarded(async (context) => {
      await this.detach();
      this.attachment = await Attachment.to(context, pid);
      const { process } = this.attachment;
      this.reporter.remark(
        `attached to ${process.pid}  ${process.exe}, ${process.threads} threads; nobody is held`,
      );
      await this.look();
      return "completed";
    });
  }

  /** Lets go of the process, which runs on as it is. Tells which changes stay. */
  async detach(): Promise<void> {
    const { attachment } = this;
    if (attachment === null) return;
    this.attachment = null;
    const { pid } = attachment.process;
    const ended = await attachment.whyEnded();
    if (ended === null) {
      const names = (await attachment.standing()).map(({ name }) => name);
      const stays =
        names.length === 0 ? "it carries no updates" : `these updates stay: ${names.join(", ")}`;
      this.reporter.remark(`detached from ${pid}, which runs on; ${stays}`);
    }
    this.depth = 0;
    await attachment.close();
  }

  /** Before a prompt: a process that ended is told of, and the patch depth is read. */
  async look(): Promise<void> {
    const { attachment } = this;
    if (attachment === null) return;
    const ended = await attachment.whyEnded();
    if (ended !== null) {
      this.reporter.warning(ended);
      this.attachment = null;
      this.depth = 0;
      await attachment.close();
      return;
    }
    this.depth = (await attachment.standing()).length;
  }

  /** Carries out what was typed. */
  async input(text: string): Promise<Outcome> {
    if (text.trim() === "") return "completed";
    return this.run(this.dialogue.input(text));
  }

  /** Takes a script's declarations over, and with `statements` carries its statements out. */
  async load(path: string, options: { readonly statements: boolean }): Promise<Outcome> {
    const checked = this.dialogue.file(path);
    return this.run(checked, options);
  }

  private async run(
    checked: CheckedInput,
    { statements }: { readonly statements: boolean } = { statements: true },
  ): Promise<Outcome> {
    this.tell(checked.diagnostics);
    const { script } = checked;
    if (script === null) return "invalid";
    let outcome: Outcome = "completed";
    if (statements && script.statements.length > 0) {
      outcome = await this.guarded((context) => this.carryOut(context, script));
      if (["invalid", "refused", "failed", "inconsistent"].includes(outcome)) return outcome;
    }
    checked.accept();
    this.transcript.push(
      ...checked.written.filter((one) => statements || one.declares !== undefined),
    );
    const updates = script.updates.map(({ name }) => name);
    const idle = updates.filter(
      (name) => !script.statements.some((one) => one.kind === "apply" && one.update.text === name),
    );
    if (idle.length > 0) {
      this.reporter.remark(`declared ${idle.join(", ")}: \`apply ${idle[0] ?? ""}\` applies it`);
    }
    return outcome;
  }

  private async carryOut(context: CommandContext, script: CheckedScript): Promise<Outcome> {
    const plan = buildPlan(script);
    const { attachment } = this;
    if (attachment === null) return this.withoutProcess(plan);
    const { pid } = attachment.process;
    const declarations = async (text: string): Promise<string> =>
      targetHeader(text, await attachment.inspect(), attachment.process.exe);
    const loaded = await loadPatches(context, plan, this.trust, declarations);
    const engine = await context.engine();
    const targets = await findTargets(context, engine, plan, [pid]);
    const log = new UndoLog();
    const { sessions } = attachment;
    const { requests } = loaded;
    const execution = { plan, targets, requests, sessions, log, names: this.names };
    if (plan.updates.length > 0) await verifyAll(context, execution, { recover: true });
    const outcome = await execute(context, execution, liveExpressions);
    if (log.last !== null) this.changes.push({ pid, log });
    return outcome;
  }

  /** Constants have values without any process. */
  private withoutProcess(plan: Plan): Outcome {
    const { script } = plan;
    for (const statement of script.statements) {
      const known =
        statement.kind === "print" &&
        statement.values.every((one) => script.constantValues.has(one));
      if (known) continue;
      throw new Problem(
        diagnose({
          code: "not-attached",
          message: "no process is attached",
          span: firstWord(statement.span),
          suggestion: "attach one: `.attach PID`",
        }),
      );
    }
    for (const statement of script.statements) {
      if (statement.kind !== "print") continue;
      const values = statement.values.flatMap((value) => script.constantValues.get(value) ?? []);
      this.reporter.print(null, values.map(printConstant));
    }
    return "completed";
  }

  /** Takes the last change back: bytes only where they still are what was written. */
  async undo(): Promise<Outcome> {
    return this.guarded(async (context) => {
      const { attachment } = this;
      const pid = attachment?.process.pid;
      const change = this.changes.findLast((one) => one.pid === pid);
      const last = change?.log.last ?? null;
      if (attachment === null || change === undefined || last === null) {
        this.reporter.remark("nothing was changed that could be taken back");
        return "skipped";
      }
      const clean = await change.log.takeLastBack(context, attachment.sessions);
      if (change.log.last === null) this.changes.splice(this.changes.indexOf(change), 1);
      if (clean === false) return "failed";
      if ("place" in last) return "completed";
      this.transcript.push({ text: `rollback to ${last.update}.start`, update: last.update });
      return "rolled-back";
    });
  }

  /** Runs a piece of work with an interruption and figures of its own; tells what goes wrong. */
  async guarded(work: (context: CommandContext) => Promise<Outcome>): Promise<Outcome> {
    const tally = new Tally();
    const interruption = new Interruption((event) => this.reporter.progress(event));
    this.interruption = interruption;
    const context: CommandContext = {
      ...this.command,
      reporter: this.reporter,
      tally,
      interruption,
    };
    let outcome: Outcome;
    try {
      outcome = await work(context);
    } catch (error) {
      outcome = error instanceof Problem ? "invalid" : outcomeOfError(error, tally.touched);
      if (error instanceof Problem) this.reporter.diagnostic(error.diagnostic);
      else if (error instanceof EngineError) this.reporter.diagnostic(diagnoseEngineError(error));
      else if (!(error instanceof Stop)) this.command.reportInternal(error);
    } finally {
      this.interruption = null;
    }
    for (const warning of tally.warnings) this.reporter.warning(warning);
    const state = tally.state === undefined ? "" : `; state: ${tally.state}`;
    if (outcome !== "completed" && outcome !== "invalid") {
      this.log.push(`${new Date().toISOString()} ${outcome}${state}`);
      this.reporter.remark(`${outcome}${state}`);
    }
    return outcome;
  }

  private tell(diagnostics: readonly Diagnostic[]): void {
    for (const diagnostic of diagnostics) this.reporter.diagnostic(diagnostic);
    if (hasErrors(diagnostics)) this.log.push(`${new Date().toISOString()} invalid`);
  }
}

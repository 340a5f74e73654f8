/**
 * The process that the REPL works on. "Attached" means known by pidfd and start time:
 * nobody is traced or held between two inputs, so other tools see a process of its own.
 */
import type { Engine, ProcessInfo, ProcessStatus, UpdateStatus } from "../../native/engine.js";
import { EngineError } from "../../native/engine.js";
import type { RunContext } from "../run/context.js";
import { Sessions } from "../run/sessions.js";

export class Attachment {
  private ended: string | null = null;

  private constructor(
    private readonly engine: Engine,
    readonly process: ProcessInfo,
    readonly sessions: Sessions,
  ) {}

  /** @throws EngineError refused: there is no such process, or it may not be touched */
  static async to(context: RunContext, pid: number): Promise<Attachment> {
    const engine = await context.engine();
    const process = await engine.processInfo(pid);
    const sessions = new Sessions(context, engine, (event) => context.reporter.progress(event));
    const attachment = new Attachment(engine, process, sessions);
    await attachment.session();
    return attachment;
  }

  /** Opened once and kept: it holds nobody. */
  session(): ReturnType<Sessions["of"]> {
    const { pid } = this.process;
    return this.sessions.of({ scope: "process", roots: [pid], pids: [pid] }, { recover: false });
  }

  /** @throws EngineError refused */
  async inspect(): Promise<Awaited<ReturnType<Awaited<ReturnType<Sessions["of"]>>["inspect"]>>> {
    return (await this.session()).inspect(this.process.pid);
  }

  /** What the process carries; null: nothing. */
  status(): Promise<ProcessStatus | null> {
    return this.engine.status(this.process.pid);
  }

  /** Updates that are not rolled back, oldest first; none of a process that has ended. */
  async standing(): Promise<readonly UpdateStatus[]> {
    try {
      const status = await this.status();
      return (status?.updates ?? []).filter(({ state }) => state !== "rolled-back");
    } catch (error) {
      if (error instanceof EngineError) return [];
      throw error;
    }
  }

  /** Why the process can be worked on no more, null while it can. */
  async whyEnded(): Promise<string | null> {
    if (this.ended !== null) return this.ended;
    const { pid, exe } = this.process;
    try {
      const inspection = await this.inspect();
      if (inspection.alive) {
        const now = await this.engine.processInfo(pid);
        if (now.exe === exe && now.buildId === this.process.buildId) return null;
        this.ended = `process ${pid} executes another program now: ${now.exe}`;
      } else this.ended = `process ${pid} has ended or executes another program`;
    } catch (error) {
      if (!(error instanceof EngineError)) throw error;
      this.ended = `process ${pid} has ended`;
    }
    return this.ended;
  }

  async close(): Promise<void> {
    await this.sessions.close();
  }
}

/** Runs one case: load and live sessions through update, rollback and update, then a comparison with the new build. */
import { setTimeout as delay } from "node:timers/promises";
import type { Built, LiveSession, RunningServer, ServerCase, UpdateFiles } from "./case.js";
import { comparePairs, type Comparison } from "./compare.js";
import { fewestForConfidence } from "./estimate.js";
import { Load, type PhaseFigures } from "./load.js";
import { memoryOf } from "./processes.js";
import { Operator, together, type Applied } from "./update.js";

/** One update of a case: what it is, and what it took to apply it and to take it back. */
export interface UpdateReport extends UpdateFiles {
  readonly applied: Applied;
  readonly undone: Applied;
}

/** What a case has shown. */
export interface CaseReport {
  readonly name: string;
  readonly title: string;
  readonly types: number;
  readonly globals: number;
  readonly updates: readonly UpdateReport[];
  /** All updates together. */
  readonly apply: Applied;
  readonly rollback: Applied;
  readonly again: Applied;
  readonly phases: readonly PhaseFigures[];
  /** Null when it was not asked for. */
  readonly comparison: Comparison | null;
  /** Bytes more in all the server's processes, right after the update. */
  readonly memoryAdded: number;
  /** How long processes that started under a watch were held, microseconds. */
  readonly heldAtStart: readonly number[];
  /** Sessions that were open from the beginning to the end. */
  readonly sessions: readonly string[];
  /** What did not hold; empty when all is well. */
  readonly problems: readonly string[];
}

/** Checks sessions again and again, so that each is busy at every moment of the experiment. */
class Sessions {
  private ending = false;
  readonly failures: string[] = [];
  private readonly loops: readonly Promise<void>[];

  constructor(readonly sessions: readonly LiveSession[]) {
    this.loops = sessions.map((session) => this.keepBusy(session));
  }

  private async keepBusy(session: LiveSession): Promise<void> {
    while (!this.ending) {
      try {
        await session.check();
      } catch (error) {
        this.failures.push(
          `${session.what}: ${error instanceof Error ? error.message : String(error)}`,
        );
        return;
      }
      await delay(5);
    }
  }

  async end(): Promise<void> {
    this.ending = true;
    await Promise.all(this.loops);
    for (const session of this.sessions) session.close();
  }
}

export interface RunOptions {
  /** Length of each quiet phase. */
  readonly seconds: number;
  /** Pairs of runs that are compared with the new version's build; 0: none. */
  readonly pairs: number;
  readonly say: (text: string) => void;
}

function lastLines(text: string): string {
  return text.trim().split("\n").slice(-10).join(" | ");
}

type UnderLoad = Omit<CaseReport, "comparison">;

/** A server through update, rollback and update. */
async function runUnderLoad<S extends RunningServer>(
  of: ServerCase<S>,
  built: Built,
  { seconds, say }: RunOptions,
): Promise<UnderLoad> {
  const operator = new Operator(of, built);
  const problems: string[] = [];
  let server: S | null = null;
  let sessions: Sessions | null = null;
  try {
    server = await of.start(operator.executable);
    const running = server;
    sessions = new Sessions(await of.openSessions(server));
    const clients = await of.openClients(server);
    const expectSeen = async (when: string, wanted: string): Promise<void> => {
      const seen = await of.observe(running);
      if (seen !== wanted) problems.push(`a connection ${when} shows "${seen}", not "${wanted}"`);
    };
    say(`${of.name}: pid ${server.pid}, ${server.processes().length} processes`);
    const load = new Load(clients, "before");
    const quiet = async (phase: string, wanted: string): Promise<void> => {
      load.begin(phase);
      await delay(seconds * 1000);
      await expectSeen(phase, wanted);
    };
    const { oldVersion, newVersion, between = [] } = of.seen;
    const versions = [oldVersion, ...between, newVersion];
    const seenWith = async (active: number): Promise<void> => {
      // The first and the last are looked at in a quiet phase.
      if (active === 0 || active === built.updates.length) return;
      await expectSeen(`with ${active} updates`, versions[active] ?? newVersion);
    };
    const during = async <T>(phase: string, change: () => Promise<T>): Promise<T> => {
      say(`${of.name}: ${phase}`);
      load.begin(phase);
      const changed = await change();
      await of.settle?.(running);
      return changed;
    };
    await delay(seconds * 1000);
    await expectSeen("before", of.seen.oldVersion);
    const memoryBefore = memoryOf(running.processes());
    const applied = await during("applying", () => operator.apply(running, seenWith));
    const memoryAdded = memoryOf(running.processes()) - memoryBefore;
    await quiet("updated", of.seen.newVersion);
    const undone = await during("rolling back", () => operator.rollBack(running, seenWith));
    await quiet("rolled back", of.seen.oldVersion);
    const again = await during("applying again", () => operator.apply(running));
    await quiet("updated again", of.seen.newVersion);
    const phases = await load.end();
    for (const client of clients) client.close();
    await sessions.end();
    problems.push(...sessions.failures);
    if (!running.running) problems.push("the server ended");
    for (const { phase, failed, firstFailure } of phases) {
      if (failed > 0)
        problems.push(`${failed} requests failed in phase "${phase}": ${firstFailure}`);
    }
    if (problems.length > 0) problems.push(`the server wrote last: ${lastLines(running.log)}`);
    const updates = built.updates.flatMap((update, index): readonly UpdateReport[] => {
      const [one, other] = [applied[index], undone[built.updates.length - 1 - index]];
      return one === undefined || other === undefined
        ? []
        : [{ ...update, applied: one, undone: other }];
    });
    return {
      name: of.name,
      title: of.title,
      types: built.updates.reduce((sum, { changes }) => sum + changes.types, 0),
      globals: built.updates.reduce((sum, { changes }) => sum + changes.globals, 0),
      updates,
      apply: together(applied),
      rollback: together(undone),
      again: together(again),
      phases,
      memoryAdded,
      heldAtStart: operator.heldAtStart,
      sessions: sessions.sessions.map(({ what }) => what),
      problems,
    };
  } finally {
    await sessions?.end();
    try {
      await operator.close();
    } finally {
      server?.stop();
    }
  }
}

/** Of what the comparison is to show. */
const mostSlowdown = 0.01;

function problemsIn({ failed, pairs, throughput }: Comparison): readonly string[] {
  const problems: string[] = [];
  if (failed > 0) problems.push(`${failed} requests failed in the pairs`);
  if (pairs >= fewestForConfidence && throughput.to < 1 - mostSlowdown) {
    const least = ((1 - throughput.to) * 100).toFixed(1);
    problems.push(
      `beside the new version's build, the updated server is slower by ${least} % at least`,
    );
  }
  return problems;
}

/** Runs a case with what its `prepare` has built. Rejects when a command fails; what else does not hold is reported. */
export async function runCase<S extends RunningServer>(
  of: ServerCase<S>,
  built: Built,
  options: RunOptions,
): Promise<CaseReport> {
  const report = await runUnderLoad(of, built, options);
  if (options.pairs === 0) return { ...report, comparison: null };
  const comparison = await comparePairs(of, built, options);
  const problems = [...report.problems, ...problemsIn(comparison)];
  return { ...report, comparison, problems };
}

/** Fixes kvserver's pattern matcher while clients use it, and takes the fix back. */
import { setTimeout as delay } from "node:timers/promises";
import { polus, projectRoot } from "../../scripts/demonstration/polus.js";
import type { DemoReport, PhaseName } from "../../scripts/demonstration/report.js";
import {
  ask,
  endProblems,
  Load,
  make,
  startServer,
  type Server,
  updateProblems,
} from "../../scripts/demonstration/server.js";

const folder = `${projectRoot}/examples/kvserver`;
const question = "COUNT item:[0-9][0-9]";

/** What the load may be told in each phase: the buggy server counts 81 of the 100 keys. */
const allowed: Readonly<Record<PhaseName, string>> = {
  before: "81 81",
  applying: "81 100",
  updated: "100 100",
  rolling_back: "81 100",
  after: "81 81",
};

/** Builds server, load and patch; throws with the compiler's words. */
export function buildKvserver(): void {
  make(folder);
}

export async function startKvserver(threads: number): Promise<Server> {
  return startServer(`${folder}/build/kvserver`, ["-t", String(threads)]);
}

/** Clients that ask; each phase is told the lowest and the highest number that may be counted. */
export function startLoad(
  port: number,
  { threads, pauseUs }: { threads: number; pauseUs: number },
): Load {
  const args = ["-p", String(port), "-t", String(threads), "-u", String(pauseUs), "-s", "110"];
  return new Load(`${folder}/build/kvload`, args);
}

/** Runs the whole demonstration; `seconds` is the length of each quiet phase. */
export async function demonstrateKvserver(
  seconds: number,
  say: (text: string) => void,
): Promise<DemoReport> {
  buildKvserver();
  const threads = 8;
  const server = await startKvserver(threads);
  const load = startLoad(server.port, { threads, pauseUs: 200 });
  try {
    const problems: string[] = [];
    say(
      `kvserver: pid ${server.pid}, ${threads} worker threads, ${threads} clients ask without pause`,
    );
    load.begin("before", allowed.before);
    await delay(seconds * 1000);
    const before = await ask(server.port, question);

    say("kvserver: polus run examples/kvserver/fix.polus");
    load.begin("applying", allowed.applying);
    const apply = await polus("run", `${folder}/fix.polus`, "--pid", String(server.pid), "--yes");
    load.begin("updated", apply.exitCode === 0 ? allowed.updated : allowed.before);
    problems.push(...(await updateProblems(server, "with the update", "fix_classes")));
    await delay(seconds * 1000);
    const updated = await ask(server.port, question);

    say("kvserver: polus rollback");
    load.begin("rolling_back", allowed.rolling_back);
    const rollback = await polus("rollback", "--pid", String(server.pid));
    load.begin("after", allowed.after);
    problems.push(...(await updateProblems(server, "after rollback", "")));
    await delay(seconds * 1000);
    const after = await ask(server.port, question);
    const phases = await load.end();
    problems.push(...endProblems(server));
    return {
      title: "kvserver: an 8-threaded key-value server, its pattern matcher fixed live",
      phases,
      answers: [{ question: `${question} (100 keys)`, before, updated, after }],
      apply,
      rollback,
      problems,
    };
  } finally {
    load.kill();
    server.process.kill("SIGKILL");
  }
}

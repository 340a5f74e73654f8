/** Changes the data of a server while clients use it: a new field, wider counters, another hash table; and back. */
import { setTimeout as delay } from "node:timers/promises";
import { polus, projectRoot } from "../../scripts/demonstration/polus.js";
import type { DemoReport } from "../../scripts/demonstration/report.js";
import {
  ask,
  endProblems,
  Load,
  make,
  startServer,
  updateProblems,
} from "../../scripts/demonstration/server.js";

const folder = `${projectRoot}/examples/sessions`;
const clients = 8;

/** What the first session says to the command that only the new version knows. */
async function idle(port: number): Promise<string> {
  const answer = await ask(port, "IDLE 1");
  return answer.replace(/^:\d+$/, ":(milliseconds)");
}

/** Runs the whole demonstration; `seconds` is the length of each quiet phase. */
export async function demonstrateSessions(
  seconds: number,
  say: (text: string) => void,
): Promise<DemoReport> {
  make(folder);
  const server = await startServer(`${folder}/build/sessiond`, []);
  await ask(server.port, "LOGIN first");
  const load = new Load(`${folder}/build/load`, [String(server.port), String(clients), "1"]);
  const pid = String(server.pid);
  const run = () => polus("run", `${folder}/update.polus`, "--pid", pid, "--yes");
  try {
    const problems: string[] = [];
    say(`sessiond: pid ${pid}, ${clients} clients whose sessions count every hit`);
    load.begin("before");
    await delay(seconds * 1000);
    const before = await idle(server.port);

    say("sessiond: polus run examples/sessions/update.polus");
    load.begin("applying");
    const apply = await run();
    load.begin("updated");
    await ask(server.port, "HIT 1");
    problems.push(...(await updateProblems(server, "with the update", "idle_times")));
    await delay(seconds * 1000);
    const updated = await idle(server.port);

    say("sessiond: polus rollback");
    load.begin("rolling_back");
    const rollback = await polus("rollback", "--pid", pid);
    load.begin("after");
    problems.push(...(await updateProblems(server, "after rollback", "")));
    await delay(seconds * 1000);
    const after = await idle(server.port);

    say("sessiond: polus run again");
    const again = await run();
    if (again.done?.outcome !== "applied") problems.push(`the second update: ${again.errors}`);
    if ((await idle(server.port)) === before) problems.push("the second update is not there");
    const hits = await ask(server.port, "HIT 1");
    if (hits !== ":2") problems.push(`the first session was hit twice and says ${hits}`);
    const phases = await load.end();
    problems.push(...endProblems(server));
    return {
      title: "sessiond: the data of a server changed live, every hit counted once",
      phases,
      answers: [{ question: "IDLE 1", before, updated, after }],
      apply,
      rollback,
      problems,
    };
  } finally {
    load.kill();
    server.process.kill("SIGKILL");
  }
}

/** Fixes kvserver's pattern matcher while clients use it, and takes the fix back. */
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { activeUpdates, polus, projectRoot } from "../../scripts/demonstration/polus.js";
import {
  phaseNames,
  type DemoReport,
  type PhaseName,
  type PhaseResult,
} from "../../scripts/demonstration/report.js";

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
  const { status, stdout, stderr } = spawnSync("make", ["-s", "-C", folder], { encoding: "utf8" });
  if (status !== 0) throw new Error(`building ${folder} failed:\n${stdout}${stderr}`);
}

/** A server of this example, listening on a loopback port of its own choice. */
export interface Kvserver {
  readonly process: ChildProcess;
  readonly pid: number;
  readonly port: number;
}

export async function startKvserver(threads: number): Promise<Kvserver> {
  const server = spawn(`${folder}/build/kvserver`, ["-t", String(threads)], {
    stdio: ["ignore", "pipe", "inherit"],
    detached: true,
  });
  const [line] = (await once(createInterface(server.stdout), "line")) as [string];
  const port = Number(/^listening on 127\.0\.0\.1:(\d+)$/.exec(line)?.[1]);
  if (server.pid === undefined || !port) throw new Error(`kvserver did not start: ${line}`);
  return { process: server, pid: server.pid, port };
}

/** Asks one question on a connection of its own. */
export async function ask(port: number, command: string): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  socket.setTimeout(5000, () => socket.destroy(new Error(`no answer to ${command} within 5 s`)));
  socket.write(`${command}\n`);
  try {
    const [line] = (await once(createInterface(socket), "line")) as [string];
    return line;
  } finally {
    socket.destroy();
  }
}

/** The load generator, driven phase by phase. */
export class Load {
  readonly #process;
  readonly #results: PhaseResult[] = [];

  constructor(port: number, options: { readonly threads: number; readonly pauseUs: number }) {
    const { threads, pauseUs } = options;
    const args = ["-p", String(port), "-t", String(threads), "-u", String(pauseUs), "-s", "110"];
    this.#process = spawn(`${folder}/build/kvload`, args, { stdio: ["pipe", "pipe", "inherit"] });
    createInterface(this.#process.stdout).on("line", (line) => this.#results.push(readPhase(line)));
  }

  /** `name`, and the lowest and highest number that may be counted from now on. */
  begin(phase: PhaseName, range: string): void {
    this.#process.stdin.write(`${phase} ${range}\n`);
  }

  /** Ends the last phase; all results, in order. */
  async end(): Promise<PhaseResult[]> {
    const closed = once(this.#process, "close");
    this.#process.stdin.end("end\n");
    await closed;
    return this.#results;
  }

  kill(): void {
    this.#process.kill("SIGKILL");
  }
}

function readPhase(line: string): PhaseResult {
  const value = JSON.parse(line) as {
    readonly phase: string;
    readonly requests: number;
    readonly failed: number;
    readonly max_us: number;
    readonly first_failure: string | null;
  };
  const phase = phaseNames.find((name) => name === value.phase);
  if (phase === undefined) throw new Error(`the load names an unknown phase: ${line}`);
  return {
    phase,
    requests: value.requests,
    failed: value.failed,
    maxUs: value.max_us,
    firstFailure: value.first_failure,
  };
}

/** Runs the whole demonstration; `seconds` is the length of each quiet phase. */
export async function demonstrateKvserver(
  seconds: number,
  say: (text: string) => void,
): Promise<DemoReport> {
  buildKvserver();
  const threads = 8;
  const server = await startKvserver(threads);
  const load = new Load(server.port, { threads, pauseUs: 200 });
  try {
    const problems: string[] = [];
    const expectUpdates = async (when: string, wanted: string): Promise<void> => {
      const found = ((await activeUpdates()).get(server.pid) ?? []).join(", ");
      if (found !== wanted) problems.push(`polus status ${when} shows "${found}", not "${wanted}"`);
    };
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
    await expectUpdates("with the update", "fix_classes");
    await delay(seconds * 1000);
    const updated = await ask(server.port, question);

    say("kvserver: polus rollback");
    load.begin("rolling_back", allowed.rolling_back);
    const rollback = await polus("rollback", "--pid", String(server.pid));
    load.begin("after", allowed.after);
    await expectUpdates("after rollback", "");
    await delay(seconds * 1000);
    const after = await ask(server.port, question);
    const phases = await load.end();
    if (server.process.exitCode !== null || server.process.signalCode !== null) {
      problems.push("the server ended");
    }
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

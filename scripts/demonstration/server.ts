/** Servers of the examples, on loopback ports of their own choice, and the loads that are put on them. */
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { createInterface } from "node:readline";
import { activeUpdates } from "./polus.js";
import { phaseNames, type PhaseName, type PhaseResult } from "./report.js";

/** Runs `make` in an example's folder; throws with the compiler's words. */
export function make(folder: string): void {
  const { status, stdout, stderr } = spawnSync("make", ["-s", "-C", folder], { encoding: "utf8" });
  if (status !== 0) throw new Error(`building ${folder} failed:\n${stdout}${stderr}`);
}

/** A server that listens on a loopback port. */
export interface Server {
  readonly process: ChildProcess;
  readonly pid: number;
  readonly port: number;
}

/** Starts a server that tells "listening on 127.0.0.1:PORT" in its first line. */
export async function startServer(program: string, args: readonly string[]): Promise<Server> {
  const server = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"], detached: true });
  const [line] = (await once(createInterface(server.stdout), "line")) as [string];
  const port = Number(/^listening on 127\.0\.0\.1:(\d+)$/.exec(line)?.[1]);
  if (server.pid === undefined || !port) throw new Error(`${program} did not start: ${line}`);
  return { process: server, pid: server.pid, port };
}

/** What is wrong with the updates that `polus status` shows of a server; empty if they are the wanted ones. */
export async function updateProblems(
  { pid }: Server,
  when: string,
  wanted: string,
): Promise<readonly string[]> {
  const found = ((await activeUpdates()).get(pid) ?? []).join(", ");
  return found === wanted ? [] : [`polus status ${when} shows "${found}", not "${wanted}"`];
}

/** Empty as long as the server runs. */
export function endProblems({ process: { exitCode, signalCode } }: Server): readonly string[] {
  return exitCode === null && signalCode === null ? [] : ["the server ended"];
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

/** A load generator that is told of phases on its standard input, and tells what each was like. */
export class Load {
  readonly #process;
  readonly #results: PhaseResult[] = [];

  constructor(program: string, args: readonly string[]) {
    this.#process = spawn(program, args, { stdio: ["pipe", "pipe", "inherit"] });
    createInterface(this.#process.stdout).on("line", (line) => this.#results.push(readPhase(line)));
  }

  /** @param more what the generator wants to know of the phase, beside its name */
  begin(phase: PhaseName, more = ""): void {
    this.#process.stdin.write(`${phase} ${more}\n`);
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

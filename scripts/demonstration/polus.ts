/** Runs the `polus` command as an operator would, and reads its JSON Lines. */
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

/** This checkout's root, seen from the compiled file. */
export const projectRoot = fileURLToPath(new URL("../../..", import.meta.url));

/** The last line of `run`, `rollback`, `recover` and `check`. */
export interface Done {
  readonly outcome: string;
  readonly pids: readonly number[];
  readonly functions: number;
  readonly stallUsMax: number;
  readonly stoppedThreadsMax: number;
}

export interface PolusRun {
  readonly exitCode: number | null;
  readonly lines: readonly Record<string, unknown>[];
  /** `null` if the command never came so far. */
  readonly done: Done | null;
  readonly errors: string;
  /** From the command's start to its end, start-up of Node included. */
  readonly wallMs: number;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function parseLine(line: string): Record<string, unknown> {
  const value: unknown = JSON.parse(line);
  if (!isRecord(value)) throw new Error(`polus printed a line that is no object: ${line}`);
  return value;
}

function numberIn(line: Record<string, unknown>, name: string): number {
  const value = line[name];
  if (typeof value !== "number") throw new Error(`the last line of polus has no number "${name}"`);
  return value;
}

function readDone(line: Record<string, unknown> | undefined): Done | null {
  if (line?.["event"] !== "done") return null;
  const pids = line["pids"];
  return {
    outcome: String(line["outcome"]),
    pids: Array.isArray(pids) ? pids.map(Number) : [],
    functions: numberIn(line, "functions"),
    stallUsMax: numberIn(line, "stall_us_max"),
    stoppedThreadsMax: numberIn(line, "stopped_threads_max"),
  };
}

const timeLimitMs = 60_000;

/** Runs `polus ARGUMENTS --json`; SIGTERM after a minute, which polus answers by undoing or finishing. */
export async function polus(...args: readonly string[]): Promise<PolusRun> {
  const start = performance.now();
  const child = spawn(`${projectRoot}/bin/polus`, [...args, "--json"], {
    stdio: ["ignore", "pipe", "pipe"],
    timeout: timeLimitMs,
  });
  let output = "";
  let errors = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (output += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (errors += text));
  const exitCode = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve(code));
  });
  const lines = output.split("\n").filter(Boolean).map(parseLine);
  const wallMs = performance.now() - start;
  return { exitCode, lines, done: readDone(lines.at(-1)), errors, wallMs };
}

/** By pid, the names of the updates that `polus status` calls active; processes without any are left out. */
export async function activeUpdates(): Promise<ReadonlyMap<number, readonly string[]>> {
  const { exitCode, lines, errors } = await polus("status");
  if (exitCode !== 0) throw new Error(`polus status exited with ${exitCode}: ${errors}`);
  const active = new Map<number, string[]>();
  for (const line of lines) {
    const updates: unknown = line["updates"];
    const names = (Array.isArray(updates) ? updates : [])
      .filter(isRecord)
      .filter((update) => update["state"] === "active")
      .map((update) => String(update["name"]));
    if (names.length > 0) active.set(Number(line["pid"]), names);
  }
  return active;
}

/** A command that runs as a child process: what it says as it says it, and what it leaves in journals. */
import { spawn, type ChildProcess } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { readJournal, type JournalRecord } from "../../interpreter/journal.js";

/** No run here takes longer; one that does is stuck, milliseconds. */
const deadlineMs = 30_000;

export interface Finished {
  readonly code: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Running {
  readonly child: ChildProcess;
  readonly finished: Promise<Finished>;
  /** Resolves when standard output or error holds the text; rejects when the command ends without. */
  saw(text: string): Promise<void>;
}

/** Starts a program in a folder, with this environment and no other. */
export function startRunning(
  program: string,
  words: readonly string[],
  folder: string,
  options: { readonly environment: NodeJS.ProcessEnv; readonly stdout?: number | undefined },
): Running {
  const child = spawn(program, words, {
    cwd: folder,
    stdio: ["ignore", options.stdout ?? "pipe", "pipe"],
    env: options.environment,
  });
  const timer = setTimeout(() => child.kill("SIGKILL"), deadlineMs);
  let stdout = "";
  let stderr = "";
  let ended = false;
  let waiting: (() => void)[] = [];
  const awaken = (): void => {
    const woken = waiting;
    waiting = [];
    for (const wake of woken) wake();
  };
  child.stdout?.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
    awaken();
  });
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
    awaken();
  });
  const finished = new Promise<Finished>((resolve) => {
    child.on("close", (code, signal) => {
      clearTimeout(timer);
      ended = true;
      awaken();
      resolve({ code, signal, stdout, stderr });
    });
  });
  const saw = async (text: string): Promise<void> => {
    while (!stdout.includes(text) && !stderr.includes(text)) {
      if (ended) throw new Error(`never saw ${text} in:\n${stdout}\n${stderr}`);
      await new Promise<void>((resolve) => waiting.push(resolve));
    }
  };
  return { child, finished, saw };
}

/** All records of all journals in a folder, in their order. */
export async function journalsIn(folder: string): Promise<readonly JournalRecord[]> {
  const records: JournalRecord[] = [];
  for (const name of readdirSync(folder).sort()) {
    const read = await readJournal(join(folder, name));
    if (read.damaged.length > 0) throw new Error(JSON.stringify(read.damaged));
    records.push(...read.records);
  }
  return records;
}

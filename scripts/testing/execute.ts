/** Runs one test file in a process and session of its own, within its time. */
import { randomUUID } from "node:crypto";
import { spawn } from "node:child_process";
import { setTimeout as delay } from "node:timers/promises";
import type { TestFile } from "./discover.js";
import { endProcesses, findProcesses, type FoundProcess } from "./processes.js";
import type { Ending } from "./verdict.js";

/** More output than this is cut in the middle: a test in a loop must not fill memory. */
const outputLimit = 1 << 20;

/** How long processes may take to go after their test file did. */
const graceMs = 1500;

class Output {
  #head = "";
  #tail = "";
  add(text: string): void {
    const room = outputLimit - this.#head.length;
    this.#head += text.slice(0, Math.max(0, room));
    this.#tail = (this.#tail + text.slice(Math.max(0, room))).slice(-outputLimit);
  }
  toString(): string {
    return this.#head + this.#tail;
  }
}

export interface ExecuteOptions {
  readonly cwd: string;
  readonly abort: AbortSignal;
  /** Takes the place of the person's own folder of journals. */
  readonly stateHome: string;
}

/** Runs a file to its end; on `abort` everything that it started is ended. Never rejects. */
export async function execute(file: TestFile, options: ExecuteOptions): Promise<Ending> {
  const run = randomUUID();
  const mark = `POLUS_TEST_RUN=${run}`;
  const output = new Output();
  const child = spawn(process.execPath, ["--enable-source-maps", file.script], {
    cwd: options.cwd,
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
    env: {
      ...process.env,
      NO_COLOR: "1",
      FORCE_COLOR: undefined,
      POLUS_TEST_RUN: run,
      XDG_STATE_HOME: options.stateHome,
    },
  });
  // Without a pid the spawn failed; the error event says why.
  const session = child.pid ?? -1;
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8");
    stream.on("data", (text: string) => output.add(text));
  }

  const drained = new Promise<void>((resolve) => child.once("close", () => resolve()));
  const ended = new Promise<{ code: number | null; signal: string | null }>((resolve) => {
    child.once("error", (error) => {
      output.add(`\n${error.message}\n`);
      resolve({ code: 1, signal: null });
    });
    child.once("exit", (code, signal) => resolve({ code, signal }));
  });

  let timedOut = false;
  const stopAll = (): void => {
    endProcesses(findProcesses(session, mark));
  };
  const timer = setTimeout(() => {
    timedOut = true;
    stopAll();
  }, file.timeLimitMs);
  options.abort.addEventListener("abort", stopAll, { once: true });
  const { code, signal } = await ended;
  clearTimeout(timer);
  options.abort.removeEventListener("abort", stopAll);

  /** What is left once it had its time to go. */
  const remaining = async (): Promise<FoundProcess[]> => {
    let left = findProcesses(session, mark);
    for (let waited = 0; left.length > 0 && waited < graceMs; waited += 50) {
      await delay(50);
      left = findProcesses(session, mark);
    }
    return left;
  };
  const left = await remaining();
  endProcesses(left);
  if (left.length > 0) await remaining();
  // A pipe that something out of our sight still holds open must not hold the whole run.
  await Promise.race([drained, delay(graceMs, undefined, { ref: false })]);
  return {
    exitCode: code,
    signal,
    timedOut,
    leftBehind: timedOut ? [] : left.map((process) => `${process.pid} ${process.name}`),
    output: output.toString(),
  };
}

/** Processes of servers that are started for an experiment. */
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { familyOf } from "../../native/process/family.js";
import { projectRoot } from "../demonstration/polus.js";

/** A loopback port that nobody listens on now. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("no free port");
  return address.port;
}

/** Whether a process runs, or has not been waited for. */
export function isThere(pid: number): boolean {
  return existsSync(`/proc/${pid}`);
}

/** Ends a process, which must be a child of ours that has not been waited for, and all that descend from it. */
export function endProcessTree(pid: number): void {
  const end = (one: number, signal: NodeJS.Signals): void => {
    try {
      process.kill(one, signal);
    } catch {
      // Ended by itself, or together with its parent.
    }
  };
  // Held first, so that no session is born between looking and ending.
  end(pid, "SIGSTOP");
  for (const one of familyOf(pid)) end(one, "SIGKILL");
}

/** Proportional share of the memory that processes have resident, bytes; those that are gone count as none. */
export function memoryOf(pids: readonly number[]): number {
  let kilobytes = 0;
  for (const pid of pids) {
    try {
      const text = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
      kilobytes += Number(/^Pss:\s+(\d+)/m.exec(text)?.[1] ?? 0);
    } catch {
      // Gone.
    }
  }
  return kilobytes * 1024;
}

/** Time that all threads of processes have spent on a processor, microseconds; those that are gone count as none. */
export function processorTimeOf(pids: readonly number[]): number {
  let nanoseconds = 0;
  for (const pid of pids) {
    try {
      for (const thread of readdirSync(`/proc/${pid}/task`)) {
        const [used] = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8").split(" ");
        nanoseconds += Number(used);
      }
    } catch {
      // Gone.
    }
  }
  return nanoseconds / 1000;
}

/** Runs an example's `build`, which prints a folder; or why the sources cannot be had. */
export function runBuild(
  program: string,
  ...words: readonly string[]
): { readonly folder: string } | { readonly missing: string } {
  const build = spawnSync(`${projectRoot}/${program}`, words, { encoding: "utf8" });
  if (build.status === 0) return { folder: build.stdout.trim() };
  if (build.status === 3) return { missing: build.stderr.trim() };
  throw new Error(`${program} failed:\n${build.stderr}`);
}

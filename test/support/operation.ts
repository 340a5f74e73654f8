/** Operations of the engine in a child process: what is asked, what comes back, how it ended. */
import { spawn } from "node:child_process";
import { join } from "node:path";
import type { FailureKind } from "../../native/engine.js";
import type { ReplaceSpec } from "./patches.js";
import { repositoryRoot } from "./repository.js";

/** An update by the paths of its built patch objects. */
export interface UpdateSpec {
  readonly name: string;
  readonly scope: "process" | "tree";
  readonly patches: readonly {
    readonly name: string;
    readonly object: string;
    readonly replacements: readonly ReplaceSpec[];
  }[];
}

export type OperationSpec = {
  readonly pids: readonly number[];
  /** User to become before anything is done. */
  readonly user?: number;
} & (
  | { readonly operation: "apply"; readonly update: UpdateSpec }
  | { readonly operation: "rollback" | "recover" }
);

export type OperationReport =
  | {
      readonly result: "done" | "skipped";
      readonly stallUsMax: number;
      readonly stoppedThreadsMax: number;
      readonly durationMs: number;
      readonly events: readonly { readonly event: string; readonly ms: number }[];
    }
  | {
      readonly result: "error";
      readonly code: string;
      readonly kind: FailureKind;
      readonly message: string;
    };

/** How the child ended: with a report, or by a signal. */
export interface OperationEnding {
  readonly signal: NodeJS.Signals | null;
  readonly report: OperationReport | null;
  readonly errorText: string;
}

export interface OperationOptions {
  /** POLUS_FAULT: `N` kills the child at its N-th point, `N:stop` stops it there. */
  readonly fault?: string;
  /** Kills the child after that many milliseconds. */
  readonly killAfterMs?: number;
  /** Processor to run on. */
  readonly cpu?: number;
  /** The child must have ended by then, or it is killed and the promise rejects. */
  readonly limitMs?: number;
}

/** Starts the child; resolves when it has ended. */
export async function runOperation(
  spec: OperationSpec,
  options: OperationOptions = {},
): Promise<OperationEnding> {
  const script = join(repositoryRoot, "dist", "test", "support", "operation_child.js");
  const command = [process.execPath, script, JSON.stringify(spec)];
  if (options.cpu !== undefined) command.unshift("taskset", "-c", String(options.cpu));
  const [program = "", ...args] = command;
  const child = spawn(program, args, {
    stdio: ["ignore", "pipe", "pipe"],
    env: {
      ...process.env,
      ...(options.fault === undefined ? {} : { POLUS_FAULT: options.fault }),
    },
  });
  let output = "";
  let errorText = "";
  child.stdout.on("data", (text: Buffer) => (output += text.toString()));
  child.stderr.on("data", (text: Buffer) => (errorText += text.toString()));
  const timers: NodeJS.Timeout[] = [];
  if (options.killAfterMs !== undefined) {
    timers.push(setTimeout(() => child.kill("SIGKILL"), options.killAfterMs));
  }
  return await new Promise((resolve, reject) => {
    let overdue = false;
    timers.push(
      setTimeout(() => {
        overdue = true;
        child.kill("SIGKILL");
      }, options.limitMs ?? 60_000),
    );
    child.on("error", reject);
    child.on("close", (code, signal) => {
      for (const timer of timers) clearTimeout(timer);
      if (overdue) {
        reject(new Error(`the operation did not end in time: ${errorText}`));
      } else if (signal === null && code !== 0) {
        reject(new Error(`the operation ended with code ${code}: ${errorText}`));
      } else {
        const report = output === "" ? null : (JSON.parse(output) as OperationReport);
        resolve({ signal, report, errorText });
      }
    });
  });
}

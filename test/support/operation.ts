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
    /** The items of ledger.ts or box.ts: sizes are functions and cannot be handed over. */
    readonly data?: "ledger" | "box";
  }[];
}

export type OperationSpec = {
  readonly pids: readonly number[];
  /** User to become before anything is done. */
  readonly user?: number;
} & (
  | { readonly operation: "apply"; readonly update: UpdateSpec }
  | { readonly operation: "rollback" }
  | { readonly operation: "recover" }
  | { readonly operation: "complete"; readonly name: string }
  /** Calls a function of the first process without arguments. */
  | { readonly operation: "call"; readonly function: string }
  /** Writes one word into each of some variables of the first process, together. */
  | { readonly operation: "write"; readonly variables: readonly string[]; readonly value: number }
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
  /** Kills the child that many milliseconds after it has begun. */
  readonly killAfterMs?: number;
  /** Processor to run on. */
  readonly cpu?: number;
  /** The child must have ended by then, or it is killed and the promise rejects. */
  readonly limitMs?: number;
}

/** A child that is loaded and waits. */
export interface PreparedOperation {
  readonly pid: number;
  /** Kills it; no effect when it has ended. */
  kill(): void;
  /** Lets it begin; resolves when it has ended. */
  run(): Promise<OperationEnding>;
}

/** Starts the child and waits until it could begin. */
export async function prepareOperation(
  spec: OperationSpec,
  options: OperationOptions = {},
): Promise<PreparedOperation> {
  const script = join(repositoryRoot, "dist", "test", "support", "operation_child.js");
  const command = [process.execPath, script, JSON.stringify(spec)];
  if (options.cpu !== undefined) command.unshift("taskset", "-c", String(options.cpu));
  const [program = "", ...args] = command;
  const child = spawn(program, args, {
    stdio: ["pipe", "pipe", "pipe"],
    env: {
      ...process.env,
      ...(options.fault === undefined ? {} : { POLUS_FAULT: options.fault }),
    },
  });
  let output = "";
  let errorText = "";
  child.stderr.on("data", (text: Buffer) => (errorText += text.toString()));
  child.stdin.on("error", () => undefined);
  let overdue = false;
  const limit = setTimeout(() => {
    overdue = true;
    child.kill("SIGKILL");
  }, options.limitMs ?? 60_000);

  const ended = new Promise<OperationEnding>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => {
      clearTimeout(limit);
      const report = output.split("\n")[1] ?? "";
      if (overdue) {
        reject(new Error(`the operation did not end in time: ${errorText}`));
      } else if (signal === null && code !== 0) {
        reject(new Error(`the operation ended with code ${code}: ${errorText}`));
      } else {
        resolve({
          signal,
          report: report === "" ? null : (JSON.parse(report) as OperationReport),
          errorText,
        });
      }
    });
  });
  const ready = new Promise<void>((resolve) => {
    child.stdout.on("data", (text: Buffer) => {
      output += text.toString();
      if (output.startsWith("READY\n")) resolve();
    });
  });
  await Promise.race([ready, ended]);
  return {
    pid: child.pid ?? 0,
    kill: () => void child.kill("SIGKILL"),
    run: async () => {
      child.stdin.end("\n");
      const timer =
        options.killAfterMs === undefined
          ? undefined
          : setTimeout(() => child.kill("SIGKILL"), options.killAfterMs);
      try {
        return await ended;
      } finally {
        clearTimeout(timer);
      }
    },
  };
}

/** Starts the child and lets it begin at once. */
export async function runOperation(
  spec: OperationSpec,
  options: OperationOptions = {},
): Promise<OperationEnding> {
  return await (await prepareOperation(spec, options)).run();
}

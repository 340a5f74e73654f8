/**
 * Everything that a command tells while it works. The same objects are lines of
 * `--json` (with `time` added) and, worded by `wording.ts`, lines for a person.
 * Field names are part of the output's contract.
 */
import type { EngineEvent } from "../../native/engine.js";
import type { Outcome } from "../outcome.js";

/** A process as it is listed before it is touched. */
export interface ListedProcess {
  readonly pid: number;
  readonly exe: string;
  readonly user: number;
  readonly threads: number;
  readonly command: string;
}

export interface PrintedValue {
  readonly text: string;
  readonly type: string;
}

/** Where an update stands while it waits for old code to fall out of use. */
export interface HeldBy {
  readonly pid: number;
  readonly tid: number;
  readonly function: string;
}

export type ProgressEvent =
  | EngineEvent
  | {
      readonly event: "compiled";
      readonly patch: string;
      readonly source: string;
      readonly bytes: number;
    }
  | {
      readonly event: "processes";
      readonly update: string | null;
      readonly processes: readonly ListedProcess[];
    }
  | { readonly event: "left_out"; readonly pid: number; readonly exe: string; readonly why: string }
  | {
      readonly event: "verified";
      readonly update: string;
      readonly functions: number;
      readonly imports: number;
      readonly already_applied: boolean;
    }
  | { readonly event: "applying"; readonly update: string; readonly pids: readonly number[] }
  | {
      readonly event: "applied";
      readonly update: string;
      readonly functions: number;
      readonly patches: number;
      readonly stall_us: number;
    }
  | { readonly event: "already_applied"; readonly update: string }
  | { readonly event: "interrupted_run_found"; readonly pid: number; readonly update: string }
  | {
      readonly event: "rolling_back";
      readonly update: string;
      readonly point: string;
      readonly pids: readonly number[];
      readonly why: "script" | "command" | "failure";
    }
  | {
      /** A script changed memory of a process; `before` and `after` are values as `print` shows them. */
      readonly event: "set";
      readonly pid: number;
      readonly address: string;
      readonly place: string;
      readonly before: string;
      readonly after: string;
    }
  | {
      /** What a failing script had set holds its old value again. */
      readonly event: "put_back";
      readonly pid: number;
      readonly address: string;
      readonly place: string;
    }
  | {
      readonly event: "called";
      readonly pid: number;
      readonly function: string;
      readonly tid: number;
      readonly held_us: number;
    }
  | {
      readonly event: "taint";
      readonly pid: number;
      readonly update: string;
      readonly name: string;
      readonly when: string;
      readonly state: "clean" | "tainted" | "repaired" | "beyond-repair";
    }
  | { readonly event: "kept"; readonly update: string; readonly why: string }
  | { readonly event: "complete"; readonly update: string }
  | {
      readonly event: "watching";
      readonly exes: readonly string[];
      readonly pids: readonly number[];
    }
  | {
      /** A watched process carries the updates now. */
      readonly event: "process_updated";
      readonly pid: number;
      readonly exe: string;
      /** `start`: before its first instruction; `running`: it was found running. */
      readonly when: "start" | "running";
      /** For how long its start was put off; 0 for one that was running. */
      readonly held_us: number;
    }
  | {
      readonly event: "process_not_updated";
      readonly pid: number;
      readonly why: string;
    }
  | { readonly event: "stopping"; readonly signal: string; readonly again: boolean };

/** The last line of `run`, `rollback`, `recover` and `check`. */
export interface Done {
  readonly event: "done";
  readonly outcome: Outcome;
  readonly pids: readonly number[];
  readonly functions: number;
  readonly patches: number;
  /** Longest hold of any one thread, microseconds. */
  readonly stall_us_max: number;
  readonly stopped_threads_max: number;
  readonly duration_ms: number;
  /** Where the processes stand: `unchanged`, `UPDATE.POINT`, `UPDATE` (kept), or words when it is not known. */
  readonly state?: string;
  /** Only where an update asks to wait (`complete within`). */
  readonly completion?: "complete" | "pending";
  /** What keeps old code in use, with `"completion":"pending"`. */
  readonly held_by?: readonly HeldBy[];
  readonly warnings?: readonly string[];
}

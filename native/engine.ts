/**
 * The typed face of the native layer: the one interface through which the
 * interpreter reaches a process. It knows nothing of scripts; the interpreter
 * knows nothing of ptrace. A test may put a recorded or fake engine in its place.
 */
import type { Address } from "./address.js";

/** What a failure means for the caller; the names of `language.md`'s exit codes. */
export type FailureKind = "invalid" | "refused" | "failed" | "inconsistent";

/** Every error that the engine throws on purpose. */
export class EngineError extends Error {
  constructor(
    /** Stable, upper case with underscores: `NO_SUCH_PROCESS`. */
    readonly code: string,
    readonly kind: FailureKind,
    /** One clear sentence, no trailing period needed by callers. */
    message: string,
    readonly details: {
      /** What the person can do about it. */
      readonly help?: string;
      readonly pid?: number;
      /** Names that exist where `subject` was looked for, in no order: "did you mean" is the caller's. */
      readonly candidates?: readonly string[];
      /** The name that the message is about (function, file, import…), to point at in the script. */
      readonly subject?: string;
    } = {},
  ) {
    super(message);
    this.name = "EngineError";
  }
}

/** Where a function is to be looked for: `in "str.c"` or `in "libfoo.so"`; by suffix of the path. */
export interface FunctionScope {
  readonly kind: "source" | "library";
  readonly name: string;
}

/** One `replace`. */
export interface Replacement {
  readonly function: string;
  readonly scope?: FunctionScope;
  /** Name in the patch; without it `f__polus…` of the object's table, else the same name. */
  readonly with?: string;
}

/** One `patch` of an update, its bytes already read (and hashed) from one open descriptor. */
export interface PatchRequest {
  readonly name: string;
  /** For messages only. */
  readonly path: string;
  readonly bytes: Uint8Array;
  /** SHA-256 of `bytes`, lower-case hex. */
  readonly digest: string;
  readonly replacements: readonly Replacement[];
}

/** A named rollback point: the state after the first `position` patches (0 = `start`). */
export interface RollbackPoint {
  readonly name: string;
  readonly position: number;
}

/** An update as the engine sees it: patches already in order of application. */
export interface UpdateRequest {
  readonly name: string;
  readonly description?: string;
  readonly scriptDigest: string;
  readonly scope: "process" | "tree";
  /** Prefix (hex, at least 8 digits) that the executable's build-id must have. */
  readonly buildId?: string;
  readonly patches: readonly PatchRequest[];
  /** Always contains `start` at position 0. */
  readonly points: readonly RollbackPoint[];
}

/** A process as it is listed, before anything is done to it. */
export interface ProcessInfo {
  readonly pid: number;
  readonly parent: number;
  /** Path of the executable, without " (deleted)". */
  readonly exe: string;
  readonly exeDeleted: boolean;
  readonly buildId: string | null;
  readonly commandLine: readonly string[];
  readonly threads: number;
  readonly user: number;
}

export type UpdateState = "active" | "completing" | "prepared" | "interrupted" | "rolled-back";

/** One update that a process's record tells of. */
export interface UpdateStatus {
  readonly name: string;
  readonly state: UpdateState;
  /** ISO 8601. */
  readonly appliedAt: string;
  readonly scope: "process" | "tree";
  readonly scriptDigest: string;
  readonly points: readonly string[];
  /** Point that the process stands at when only some patches of the update are active. */
  readonly at: string | null;
  readonly patches: readonly {
    readonly name: string;
    readonly digest: string;
    readonly active: boolean;
    readonly functions: readonly string[];
  }[];
}

/** What one process's record page says. */
export interface ProcessStatus {
  readonly pid: number;
  readonly exe: string;
  readonly buildId: string | null;
  /** Oldest first; rolled-back ones included. */
  readonly updates: readonly UpdateStatus[];
}

/** Progress, in the order in which it happens. Field names are those of the JSON output. */
export type EngineEvent =
  | { readonly event: "attached"; readonly processes: number; readonly threads: number }
  | { readonly event: "resolved"; readonly functions: number; readonly imports: number }
  | {
      readonly event: "mapped";
      readonly pid: number;
      readonly patch: string;
      readonly address: string;
      readonly bytes: number;
      readonly reused: boolean;
    }
  | {
      readonly event: "installed";
      readonly pid: number;
      readonly functions: number;
      readonly stopped_threads: number;
      readonly stall_us: number;
    }
  | { readonly event: "activated"; readonly pid: number; readonly update: string }
  | {
      readonly event: "rolled_back";
      readonly pid: number;
      readonly update: string;
      readonly point: string;
    }
  | {
      readonly event: "recovered";
      readonly pid: number;
      readonly update: string;
      readonly how: "undone" | "finished";
    }
  | {
      readonly event: "completing";
      readonly pid: number;
      readonly tid: number;
      readonly function: string;
    }
  | { readonly event: "process_born"; readonly pid: number; readonly parent: number }
  | { readonly event: "process_gone"; readonly pid: number; readonly why: "exited" | "exec" }
  | { readonly event: "waiting"; readonly pid: number; readonly why: string };

export type EventSink = (event: EngineEvent) => void;

/** Counted over one operation. */
export interface OperationMetrics {
  readonly pids: readonly number[];
  readonly functions: number;
  readonly patches: number;
  /** Longest hold of any one thread, microseconds. */
  readonly stallUsMax: number;
  readonly stoppedThreadsMax: number;
}

export interface OperationResult extends OperationMetrics {
  /** "done": the operation changed something; "skipped": what was asked held already. */
  readonly result: "done" | "skipped";
}

/** A thread and the old function that it is still inside. */
export interface ActiveFrame {
  readonly pid: number;
  readonly tid: number;
  readonly function: string;
  readonly patch: string;
}

export interface StackFrame {
  readonly pc: Address;
  /** Symbol and offset, `null` where nothing is known. */
  readonly function: string | null;
  readonly offset: number | null;
  readonly module: string | null;
}

export interface ThreadStack {
  readonly tid: number;
  readonly name: string;
  readonly frames: readonly StackFrame[];
  /** Why the walk ended early, if it did. */
  readonly incomplete: string | null;
}

/**
 * Work on one set of processes. Processes are identified by pidfd and start
 * time from `open` on. Always `close` it (idempotent; nothing stays held).
 */
export interface Session {
  readonly processes: readonly ProcessInfo[];

  /**
   * Verifies everything about an update against every process without writing
   * a byte. Throws EngineError `refused` or `invalid`.
   */
  verify(update: UpdateRequest): Promise<{
    readonly result: "ready" | "already-applied";
    readonly functions: number;
    readonly imports: number;
  }>;

  /** Verifies, prepares in all processes, then activates in all; on an error everything is as before. */
  apply(update: UpdateRequest): Promise<OperationResult>;

  /**
   * Takes updates back, newest first, to `point` of `update` (default: the newest
   * active update, `start`). Covers the tree's processes that carry it when its scope is `tree`.
   */
  rollback(to?: {
    readonly update: string;
    readonly point: string;
  }): Promise<OperationResult & { readonly update: string | null; readonly point: string | null }>;

  /** Finishes or undoes an interrupted run; "skipped" when there is none. */
  recover(): Promise<OperationResult>;

  /** Frames of replaced functions that are still on a stack, for all processes of the session. */
  activeFrames(update: string): Promise<readonly ActiveFrame[]>;

  /** Stacks of all threads of one process. */
  stacks(pid: number): Promise<readonly ThreadStack[]>;

  close(): Promise<void>;
}

/** What `polus check --exe` learns without a process. */
export interface FileVerification {
  readonly functions: number;
  readonly imports: number;
  /** Imports that only the running process's libraries can answer. */
  readonly deferred: readonly string[];
  readonly problems: readonly EngineError[];
}

export interface Engine {
  /** All processes that run an executable of that base name or path (kernel threads and our own process excluded). */
  findProcesses(exe: string): Promise<readonly ProcessInfo[]>;
  /** One process; throws `refused` NO_SUCH_PROCESS, KERNEL_THREAD, OWN_PROCESS, PERMISSION… */
  processInfo(pid: number): Promise<ProcessInfo>;
  /** Its descendants, parents before children, itself not included. */
  descendants(pid: number): Promise<readonly ProcessInfo[]>;
  /** `null`: carries no record. Never throws because of what a record contains: a damaged one is `inconsistent` RECORD_DAMAGED. */
  status(pid: number): Promise<ProcessStatus | null>;
  /** Every process that carries updates and that we may read. */
  statusOfAll(): Promise<readonly ProcessStatus[]>;
  /** Verifies an update against a file on disk. */
  verifyFile(exe: string, update: UpdateRequest): Promise<FileVerification>;
  open(pids: readonly number[], onEvent: EventSink): Promise<Session>;
  /** What this machine allows and lacks. */
  doctor(): Promise<readonly Finding[]>;
}

/** One line of `polus doctor`. */
export interface Finding {
  readonly topic: string;
  readonly verdict: "ok" | "limited" | "missing";
  readonly text: string;
  readonly help?: string;
}

/**
 * The typed face of the native layer: the one interface through which the
 * interpreter reaches a process. It knows nothing of scripts; the interpreter
 * knows nothing of ptrace. A test may put a recorded or fake engine in its place.
 */
import type { Address } from "./address.js";
import type { Inspection, ProgramNames } from "./inspection.js";

export type * from "./ctypes.js";
export type * from "./inspection.js";

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

/** A function of the target or of the patch; of the patch's own if both have one of that name. */
export interface FunctionName {
  readonly name: string;
  readonly scope?: FunctionScope;
}

/**
 * Bytes of an old and of a new object, by the names and types of the program and of the patch.
 * @throws EngineError refused
 */
export type ObjectSizes = (
  program: ProgramNames,
  patch: ProgramNames,
) => { readonly old: number; readonly new: number };

/** One `data` item: objects that change their layout, and the patch's functions that carry them over. */
export interface DataRequest {
  readonly name: string;
  readonly objects:
    | {
        /** The program's global of the item's name. */
        readonly kind: "global";
        /** The function whose static variable it is: the item's name is `FUNCTION::VARIABLE` then. */
        readonly function?: string;
        readonly scope?: FunctionScope;
        /** The new object, in the patch. */
        readonly new: string;
      }
    | {
        /** Every object that a function visits. */
        readonly kind: "each";
        readonly each: FunctionName;
        readonly size: ObjectSizes;
        readonly onNew?: FunctionName;
        readonly onFree?: FunctionName;
      };
  readonly forward: string;
  readonly backward: string;
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
  readonly data: readonly DataRequest[];
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

/** Whether there are two versions of data while it is applied. */
export function changesData(request: UpdateRequest): boolean {
  return request.patches.some(({ data }) => data.length > 0);
}

/**
 * Something that a script wrote into a process to repair its state while it applied an update:
 * rolling back the patch that it belongs to takes it back, where it still stands.
 */
export interface Repair {
  readonly pid: number;
  /** Number of the patch, from 0. */
  readonly patch: number;
  readonly taint: string;
  readonly address: Address;
  /** Of one length. */
  readonly before: Uint8Array;
  readonly after: Uint8Array;
}

/** One step of several in which an update is applied. */
export interface ApplyStep {
  /** The first so many patches are active afterwards; at least as many as before. */
  readonly upTo: number;
  /** Further steps follow: until then the run counts as unfinished, and `recover` would undo all of it. */
  readonly more: boolean;
  /** What was repaired since the step before; kept in the processes' records from now on. */
  readonly repairs: readonly Repair[];
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

/** Where the data of a patch stands; the runtime in the process says it. */
export type DataState =
  | "converting"
  /** Both versions are kept coherent. */
  | "coexisting"
  | "lifting"
  /** The new version alone lives. */
  | "complete"
  /** The old version alone lives. */
  | "retired";

export interface DataStatus {
  readonly state: DataState;
  readonly items: readonly string[];
  readonly objects: number;
  /** Of these, those that what is under way has come to. */
  readonly done: number;
  /** Touches of copies that nobody should have needed any more, and where the last one was. */
  readonly stray: number;
  readonly strayAt: Address | null;
}

/** What the runtime in a process has counted since it was loaded. */
export interface RuntimeStatus {
  readonly guardedPages: number;
  /** Stores that were caught. */
  readonly traps: number;
  /** Runs of forward and backward functions. */
  readonly transfers: number;
  /** Stores that had to be single-stepped, with their page open. */
  readonly slow: number;
  /** Instructions that were rewritten to store and synchronise directly. */
  readonly rewritten: number;
  /** Children that got memory of their own. */
  readonly forked: number;
  /** It has met an inconsistency in itself. */
  readonly damaged: boolean;
}

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
    /** `null`: it changes no data, or nothing of its data's versions is left. */
    readonly data: DataStatus | null;
  }[];
}

/** What one process's record page says. */
export interface ProcessStatus {
  readonly pid: number;
  readonly exe: string;
  readonly buildId: string | null;
  /** Oldest first; rolled-back ones included. */
  readonly updates: readonly UpdateStatus[];
  /** `null`: no update has changed data. */
  readonly runtime: RuntimeStatus | null;
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
  | {
      /** Both versions of a patch's data are kept coherent from now on. */
      readonly event: "coexisting";
      readonly pid: number;
      readonly update: string;
      readonly patch: string;
      readonly objects: number;
    }
  | {
      /** Only the new version of a patch's data lives on; or, after a rollback, only the old one. */
      readonly event: "completed" | "retired";
      readonly pid: number;
      readonly update: string;
      readonly patch: string;
    }
  | {
      /** Stores that were caught often are direct ones from now on, until coexistence ends. */
      readonly event: "rewritten";
      readonly pid: number;
      readonly instructions: number;
    }
  | { readonly event: "process_born"; readonly pid: number; readonly parent: number }
  | { readonly event: "process_gone"; readonly pid: number; readonly why: "exited" | "exec" }
  | {
      /** A rollback has taken a repair back, or left it alone since something else stands there now. */
      readonly event: "repair_undone" | "repair_left";
      readonly pid: number;
      readonly update: string;
      readonly taint: string;
      readonly address: string;
    }
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
 * How a process's data is stored to. "plain": no two versions are kept coherent; "cold": few stores are caught,
 * or none that could be made direct; "hot": more will be worth it soon.
 */
export type Heat = "plain" | "cold" | "hot";

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

  /**
   * Verifies, prepares in all processes, then activates in all; on an error everything is as before.
   * Without a step all patches at once, with one store; a step that finds its patches active writes
   * down its repairs and whether it was the last.
   */
  apply(update: UpdateRequest, step?: ApplyStep): Promise<OperationResult>;

  /**
   * Maps the patches of an update, so that their functions can be called and their variables be
   * read before they are active. Nothing that the program does changes.
   */
  stage(update: UpdateRequest): Promise<void>;

  /**
   * Writes down what is about to be written to repair the state for an update, in place of what was
   * announced before: whoever finds us gone takes it back. `apply` takes it over; without repairs it
   * is forgotten. No effect in processes that carry no record: only `stage` makes one.
   */
  announce(update: UpdateRequest, repairs: readonly Repair[]): Promise<void>;

  /** What a patch's link-time addresses are relative to in a process; `null` if it is not mapped there. */
  patchBase(pid: number, digest: string): Address | null;

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

  /**
   * Frames of replaced functions that are still on a stack, in the session's processes or (by default) in their
   * trees. Changed data whose versions nobody needs side by side any more is completed on the way.
   */
  complete(update: string, scope?: "process" | "tree"): Promise<readonly ActiveFrame[]>;

  /**
   * Stores that are caught again and again are made direct ones, in the session's processes or in their trees.
   * Cheap where there are none; looks at no stack and holds no thread then. Resolves to the hottest that was met.
   */
  rewriteHot(scope: "process" | "tree"): Promise<Heat>;

  /** Stacks of all threads of one process. */
  stacks(pid: number): Promise<readonly ThreadStack[]>;

  /** A typed look at one process of the session. */
  inspect(pid: number): Promise<Inspection>;

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

/** What a watch tells. */
export type WatchEvent =
  /** Stands at its program's entry point, no instruction of which has run, until `resume`. */
  | { readonly event: "started"; readonly pid: number }
  /** Runs a watched program, and could not be stopped at its entry point. */
  | { readonly event: "missed"; readonly pid: number }
  | { readonly event: "born"; readonly pid: number; readonly parent: number }
  /** After an `exec` of a watched program `started` or `missed` follows; of another one nothing. */
  | { readonly event: "gone"; readonly pid: number; readonly why: "exited" | "exec" };

/** Follows processes, their children and what those execute, until it is closed. */
export interface Watch {
  /** Seizes a process without stopping it. Throws EngineError refused. */
  follow(pid: number): Promise<void>;
  /** Lets a process go on from its program's entry point. */
  resume(pid: number): Promise<void>;
  /** As the engine's: only through a watch can processes be changed that it follows. */
  open(pids: readonly number[], onEvent: EventSink): Promise<Session>;
  /** Every process goes on, those at their entry points included; however we end, the same happens. */
  close(): Promise<void>;
}

export interface Engine {
  /** All processes that run an executable of that base name or path (kernel threads and our own process excluded). */
  findProcesses(exe: string): Promise<readonly ProcessInfo[]>;
  /** Their pids alone, which costs little. */
  findPids(exe: string): Promise<readonly number[]>;
  /** One process; throws `refused` NO_SUCH_PROCESS, KERNEL_THREAD, OWN_PROCESS, PERMISSION… */
  processInfo(pid: number): Promise<ProcessInfo>;
  /** Its descendants, parents before children, itself not included. */
  descendants(pid: number): Promise<readonly ProcessInfo[]>;
  /** `null`: carries no record. Never throws because of what a record contains: a damaged one is `inconsistent` RECORD_DAMAGED. */
  status(pid: number): Promise<ProcessStatus | null>;
  /** Every process that carries updates and that we may read. */
  statusOfAll(): Promise<readonly ProcessStatus[]>;
  /** The names and types of a program on disk. */
  examine(exe: string): Promise<ProgramNames>;
  /** The names and types of a patch object, by its debug information. */
  examinePatch(bytes: Uint8Array): ProgramNames;
  /** Verifies an update against a file on disk. */
  verifyFile(exe: string, update: UpdateRequest): Promise<FileVerification>;
  open(pids: readonly number[], onEvent: EventSink): Promise<Session>;
  /** Watches for starts of executables, each a base name or a path. */
  watch(exes: readonly string[], onEvent: (event: WatchEvent) => void): Promise<Watch>;
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

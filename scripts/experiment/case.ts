/** What a case is: a real server's old version, its new one, and the update that leads from one to the other. */
import type { DataChanges } from "./changes.js";
import type { Client } from "./load.js";

/** A server that runs on loopback, in a folder and session of its own. */
export interface RunningServer {
  /** The process that polus is pointed at. */
  readonly pid: number;
  readonly running: boolean;
  /** What it and its children have written. */
  readonly log: string;
  /** All its processes that run now. */
  processes(): readonly number[];
  /** Ends all of them, and removes the folder. */
  stop(): void;
}

/** A session that a client has opened, and that is to go on through everything. */
export interface LiveSession {
  readonly what: string;
  /** Rejects when the session does not do any more what it did. */
  check(): Promise<void>;
  close(): void;
}

/** One of the updates that lead from the old version to the new one. */
export interface UpdateFiles {
  readonly name: string;
  /** Absolute paths of the script and of the shared objects that it names. */
  readonly script: string;
  readonly objects: readonly string[];
  /** Lines that are not blank. */
  readonly lines: {
    readonly generated: number;
    readonly cByHand: number;
    readonly scriptByHand: number;
  };
  /** How long `polus patchgen` and `polus build` took; null: the update is written by hand. */
  readonly constructSeconds: number | null;
  /** What it changes beside functions. */
  readonly changes: DataChanges;
  /** Changed functions whose old version something goes on executing; null: nobody has counted. */
  readonly unreached: number | null;
}

/** What a case is run with. */
export interface Built {
  /** Executables of the two versions. */
  readonly oldVersion: string;
  readonly newVersion: string;
  /** Of the old version, too: what the server executes besides itself, from its own folder. */
  readonly programs?: readonly string[];
  /** In the order in which they are applied. */
  readonly updates: readonly UpdateFiles[];
}

export interface PrepareOptions {
  readonly say: (text: string) => void;
  /** Construct patches without what an earlier construction has found out. */
  readonly anew: boolean;
}

/** `S`: the case's own kind of server. */
export interface ServerCase<S extends RunningServer> {
  readonly name: string;
  /** Server, versions and update in a line. */
  readonly title: string;
  /** What new connections see of the two versions. */
  readonly seen: {
    readonly oldVersion: string;
    readonly newVersion: string;
    /** With each but the last of several updates. */
    readonly between?: readonly string[];
  };
  /** Whether `polus run` does, or new processes must be updated as they start: `polus watch`. */
  readonly applies: "run" | "watch";
  /** Whose updates are taken back, each with its descendants'; without it the server's process is all. */
  updated?(server: S): readonly number[];
  /** Where `polus rollback --to` leads; null: the newest update's start. */
  readonly rollbackTo: string | null;
  /** Builds what is needed, outside the checkout; or says why it cannot. */
  prepare(options: PrepareOptions): Built | { readonly missing: string };
  start(executable: string): Promise<S>;
  /** What a new connection shows of the version that serves it. */
  observe(server: S): Promise<string>;
  /**
   * What an operator does after each update and rollback where a function has changed that never returns;
   * resolves when the server answers again. Without it nothing is to be done.
   */
  settle?(server: S): Promise<void>;
  openSessions(server: S): Promise<readonly LiveSession[]>;
  openClients(server: S): Promise<readonly Client[]>;
}

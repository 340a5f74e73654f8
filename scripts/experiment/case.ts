/** What a case is: a real server's old version, its new one, and the update that leads from one to the other. */
import type { Client } from "./load.js";

/** A server that runs on loopback, in a folder and session of its own. */
export interface RunningServer {
  /** The process that polus is pointed at. */
  readonly pid: number;
  readonly running: boolean;
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

/** What a case is run with. */
export interface Built {
  /** Executables of the two versions. */
  readonly oldVersion: string;
  readonly newVersion: string;
  /** The update's shared object. */
  readonly patch: string;
}

/** `S`: the case's own kind of server. */
export interface ServerCase<S extends RunningServer> {
  readonly name: string;
  /** Server, versions and update in a line. */
  readonly title: string;
  /** The update, seen from the root of the checkout: its script first, then the C that is written by hand. */
  readonly sources: readonly string[];
  /** What new connections see of the two versions. */
  readonly seen: { readonly oldVersion: string; readonly newVersion: string };
  /** Whether `polus run` does, or new processes must be updated as they start: `polus watch`. */
  readonly applies: "run" | "watch";
  /** Where `polus rollback --to` leads; null: the newest update's start. */
  readonly rollbackTo: string | null;
  /** Types and globals that the update changes. */
  readonly types: number;
  readonly globals: number;
  /** Builds what is needed, outside the checkout; or says why it cannot. */
  prepare(say: (text: string) => void): Built | { readonly missing: string };
  start(executable: string): Promise<S>;
  /** What a new connection shows of the version that serves it. */
  observe(server: S): Promise<string>;
  openSessions(server: S): Promise<readonly LiveSession[]>;
  openClients(server: S): Promise<readonly Client[]>;
}

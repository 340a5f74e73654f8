/** What a command works with: everything outside of it comes through here, so that a test can put its own. */
import type { Engine } from "../../native/engine.js";
import { diagnose } from "../diagnose.js";
import type { Journal } from "../journal.js";
import { Stop } from "../outcome.js";
import type { Reporter } from "../progress/reporter.js";
import type { Settings } from "../schema.js";
import type { Interruption } from "./interruption.js";
import type { Tally } from "./tally.js";

export interface RunContext {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly workingFolder: string;
  /** As the kernel sees us; 0 is root. */
  readonly effectiveUser: number;
  readonly reporter: Reporter;
  readonly tally: Tally;
  readonly interruption: Interruption;
  readonly settings: Settings;
  readonly journal: Journal;
  /** Somebody looks after what is updated as long as it needs it: the run itself need not stay for it. */
  readonly tended?: boolean;
  /** Tells an error of our own; with its JavaScript stack only where the person asked for it. */
  reportInternal(error: unknown): void;
  /** Loads the native layer on first use. */
  engine(): Promise<Engine>;
}

/** Ends the run here if a signal asked for it; only for places where nothing was touched yet. */
export function stopIfAsked(context: RunContext): void {
  const by = context.interruption.requestedBy;
  if (by === null) return;
  context.reporter.diagnostic(
    diagnose({ code: "interrupted", message: `stopped by ${by} before any process was touched` }),
  );
  context.tally.state = "unchanged";
  throw new Stop("failed");
}

/** Work that touches no process: what ends it after a request to stop is that request, not a fault. */
export async function orStopped<T>(context: RunContext, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    stopIfAsked(context);
    throw error;
  }
}

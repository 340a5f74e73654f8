/**
 * The journal: what was done to which process, by whom and with what, one JSON
 * record a line, appended only, one file a day under `$XDG_STATE_HOME/polus/`.
 * Undoing needs nothing of it (all of that is in the target's record): so a
 * journal that cannot be written is a warning and never stops the work.
 */
import { randomUUID } from "node:crypto";
import {
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import type { JournalRecord } from "./schema.js";
import { xdgFolder } from "./settings.js";

export type { JournalRecord } from "./schema.js";

/** A record as callers give it: time and run are the journal's. */
export type JournalEntry = JournalRecord extends infer R
  ? R extends JournalRecord
    ? Omit<R, "time" | "run">
    : never
  : never;

/** Folder of the journal's files. */
export function journalFolder(
  environment: Readonly<Record<string, string | undefined>>,
  setting?: string,
): string {
  return setting ?? join(xdgFolder(environment, "XDG_STATE_HOME", [".local", "state"]), "polus");
}

/** Name of the file that a record of that moment goes to (UTC, so that it never depends on a zone). */
export function journalFileName(time: Date): string {
  return `journal-${time.toISOString().slice(0, 10)}.jsonl`;
}

export class Journal {
  /** Identifies this run of the command in all its records. */
  readonly run = randomUUID();
  private warned = false;

  constructor(
    readonly folder: string,
    /** Told once, when a record could not be written. */
    private readonly warn: (message: string) => void,
  ) {}

  /** Appends one record, in one write. Never throws. */
  append(entry: JournalEntry): void {
    const now = new Date();
    const record = { time: now.toISOString(), run: this.run, ...entry };
    try {
      this.write(join(this.folder, journalFileName(now)), `${JSON.stringify(record)}\n`);
    } catch (error) {
      if (this.warned) return;
      this.warned = true;
      const reason = error instanceof Error ? error.message : String(error);
      this.warn(`the journal in ${this.folder} cannot be written: ${reason}`);
    }
  }

  private write(path: string, line: string): void {
    mkdirSync(this.folder, { recursive: true, mode: 0o700 });
    const descriptor = openSync(
      path,
      constants.O_WRONLY |
        constants.O_APPEND |
        constants.O_CREAT |
        constants.O_NOFOLLOW |
        constants.O_NONBLOCK,
      0o600,
    );
    try {
      const status = fstatSync(descriptor);
      if (!status.isFile() || status.nlink !== 1) {
        throw new Error(`${path} is not a regular file of one name`);
      }
      if ((status.mode & 0o077) !== 0) fchmodSync(descriptor, 0o600);
      const bytes = Buffer.from(line, "utf8");
      // A full disk may cut a record: the next one then starts on a line of its own.
      if (writeSync(descriptor, bytes) !== bytes.length) {
        writeSync(descriptor, "\n");
        throw new Error("a record was cut short (disk full?)");
      }
    } finally {
      closeSync(descriptor);
    }
  }
}

export interface ReadJournal {
  readonly records: readonly JournalRecord[];
  /** Lines that are no valid record, numbered from 1. */
  readonly damaged: readonly { readonly line: number; readonly problem: string }[];
}

/** Reads one file of the journal and validates every record. Throws only if the file cannot be read. */
export async function readJournal(path: string): Promise<ReadJournal> {
  const schema = await import("./schema.js");
  const records: JournalRecord[] = [];
  const damaged: { line: number; problem: string }[] = [];
  const lines = readFileSync(path, "utf8").split("\n");
  for (const [index, text] of lines.entries()) {
    if (text === "") continue;
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch (error) {
      damaged.push({ line: index + 1, problem: String(error) });
      continue;
    }
    const validated = schema.validate(schema.JournalRecord, value);
    if (validated.ok) records.push(validated.value);
    else damaged.push({ line: index + 1, problem: validated.problem });
  }
  return { records, damaged };
}

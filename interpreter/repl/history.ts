/**
 * The inputs of earlier sessions and this one, whole blocks as one entry, kept in
 * `repl-history.jsonl` beside the journal: one JSON text a line. Only the person may
 * read it; a file that is not theirs alone is not used.
 */
import {
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";

/** Inputs that are remembered. */
export const historyLimit = 1000;
/** A longer input is not worth finding again, characters. */
const entryLimit = 16 * 1024;
/** A larger file is not ours, bytes. */
const fileLimit = 32 * 1024 * 1024;

export class History {
  /** Newest first. */
  readonly entries: string[] = [];
  private readonly path: string;
  private failed = false;

  constructor(
    private readonly folder: string,
    /** Told once, if the file cannot be used. */
    private readonly warn: (message: string) => void,
  ) {
    this.path = join(folder, "repl-history.jsonl");
  }

  /** Reads what is there; shortens the file when it has grown to twice what is kept. */
  load(): void {
    try {
      const lines = this.read();
      for (const line of lines) this.remember(decode(line));
      if (lines.length > 2 * historyLimit) this.rewrite();
    } catch (error) {
      this.fail(error);
    }
  }

  /**
   * Remembers an input, unless it is the last one again or begins with a blank (then
   * the person wants it forgotten). Never throws.
   */
  add(text: string): void {
    const entry = text.trimEnd();
    if (/^\s/.test(entry) || !this.remember(entry) || this.failed) return;
    try {
      this.append(`${JSON.stringify(entry)}\n`);
    } catch (error) {
      this.fail(error);
    }
  }

  private remember(entry: string | null): boolean {
    if (entry === null || entry === "" || entry.length > entryLimit) return false;
    if (this.entries[0] === entry) return false;
    this.entries.unshift(entry);
    this.entries.length = Math.min(this.entries.length, historyLimit);
    return true;
  }

  private read(): readonly string[] {
    let descriptor: number;
    try {
      descriptor = openSync(this.path, constants.O_RDONLY | safely);
    } catch (error) {
      if (error instanceof Error && "code" in error && error.code === "ENOENT") return [];
      throw error;
    }
    try {
      makePrivate(descriptor, this.path);
      return readFileSync(descriptor, "utf8")
        .split("\n")
        .filter((line) => line !== "");
    } finally {
      closeSync(descriptor);
    }
  }

  private append(line: string): void {
    mkdirSync(this.folder, { recursive: true, mode: 0o700 });
    const flags = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | safely;
    const descriptor = openSync(this.path, flags, 0o600);
    try {
      makePrivate(descriptor, this.path);
      writeSync(descriptor, line);
    } finally {
      closeSync(descriptor);
    }
  }

  private rewrite(): void {
    const temporary = `${this.path}.${process.pid}`;
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | safely;
    const descriptor = openSync(temporary, flags, 0o600);
    try {
      const lines = [...this.entries].reverse().map((entry) => `${JSON.stringify(entry)}\n`);
      writeSync(descriptor, lines.join(""));
    } finally {
      closeSync(descriptor);
    }
    renameSync(temporary, this.path);
  }

  private fail(error: unknown): void {
    if (this.failed) return;
    this.failed = true;
    const reason = error instanceof Error ? error.message : String(error);
    this.warn(`the history in ${this.path} cannot be used: ${reason.split(", ")[0] ?? ""}`);
  }
}

const safely = constants.O_NOFOLLOW | constants.O_NONBLOCK;

function makePrivate(descriptor: number, path: string): void {
  const status = fstatSync(descriptor);
  if (!status.isFile() || status.nlink !== 1) {
    throw new Error(`${path} is not a regular file of one name`);
  }
  if (status.uid !== process.geteuid?.()) throw new Error(`${path} belongs to another user`);
  if (status.size > fileLimit) throw new Error(`${path} is too large`);
  if ((status.mode & 0o077) !== 0) fchmodSync(descriptor, 0o600);
}

/** An entry of the file; null if it is damaged or could do harm on a terminal. */
function decode(line: string): string | null {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === "string" && !/[^\t\n\P{Cc}]/u.test(value) ? value : null;
  } catch {
    return null;
  }
}

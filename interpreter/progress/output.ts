/**
 * Writing to standard output and standard error without ever waiting for the
 * reader. Node writes to pipes and terminals synchronously: a stopped terminal
 * (Ctrl-S) or a full pipe would halt the whole program in the middle of its
 * work on a live process. So every chunk goes through the thread pool, one at a
 * time, and what may be lost is dropped when the backlog grows.
 */
import { write } from "node:fs";
import { isatty } from "node:tty";

/** Bytes that may wait before droppable lines are dropped. */
const backlogLimit = 256 * 1024;
/** A non-blocking descriptor that is full is tried again after this, milliseconds. */
const fullRetryMs = 10;

export interface Output {
  readonly isTerminal: boolean;
  /** How many droppable writes were dropped so far. */
  readonly droppedCount: number;
  /** Queues text. `droppable` text is lost when the reader is far behind; its loss is counted. */
  write(text: string, options?: { readonly droppable?: boolean }): void;
  /** Resolves when everything queued was written or can never be. Never rejects. */
  flush(): Promise<void>;
}

/** Writes to a file descriptor that this process was given. */
export class DescriptorOutput implements Output {
  readonly isTerminal: boolean;
  private readonly queue: Buffer[] = [];
  private queued = 0;
  private dropped = 0;
  private writing = false;
  /** The reader is gone (EPIPE) or the descriptor is useless: all is discarded. */
  private dead = false;
  private waiters: (() => void)[] = [];

  constructor(private readonly descriptor: number) {
    this.isTerminal = isatty(descriptor);
  }

  write(text: string, options: { readonly droppable?: boolean } = {}): void {
    if (this.dead || text === "") return;
    if (options.droppable === true && this.queued > backlogLimit) {
      this.dropped += 1;
      return;
    }
    this.enqueue(text);
    this.pump();
  }

  flush(): Promise<void> {
    if (!this.writing && this.queue.length === 0) return Promise.resolve();
    return new Promise((resolve) => this.waiters.push(resolve));
  }

  get droppedCount(): number {
    return this.dropped;
  }

  private enqueue(text: string): void {
    const bytes = Buffer.from(text, "utf8");
    this.queue.push(bytes);
    this.queued += bytes.length;
  }

  private pump(): void {
    if (this.writing) return;
    const first = this.queue.shift();
    if (first === undefined) {
      this.settle();
      return;
    }
    // One system call for what has gathered; a chunk is kept small enough to be dropped from memory soon.
    const chunks = [first];
    let size = first.length;
    while (size < 64 * 1024) {
      const next = this.queue.shift();
      if (next === undefined) break;
      chunks.push(next);
      size += next.length;
    }
    this.writing = true;
    this.writeAll(Buffer.concat(chunks), 0);
  }

  private writeAll(bytes: Buffer, offset: number): void {
    write(this.descriptor, bytes, offset, bytes.length - offset, null, (error, written) => {
      if (error !== null) {
        if (error.code === "EAGAIN") {
          setTimeout(() => this.writeAll(bytes, offset), fullRetryMs);
          return;
        }
        if (error.code === "EINTR") {
          this.writeAll(bytes, offset);
          return;
        }
        this.dead = true;
        this.queue.length = 0;
        this.queued = 0;
        this.writing = false;
        this.settle();
        return;
      }
      this.queued -= written;
      if (offset + written < bytes.length) {
        this.writeAll(bytes, offset + written);
        return;
      }
      this.writing = false;
      this.pump();
    });
  }

  private settle(): void {
    const waiters = this.waiters;
    this.waiters = [];
    for (const resolve of waiters) resolve();
  }
}

/**
 * One line after another. Node's repl hands the next line on while the last one is
 * still being evaluated; on a live process that would mix two operations. So every
 * line, command or not, waits here until the one before it is done.
 */
export class LineQueue {
  private readonly waiting: string[] = [];
  private running = false;
  private idleWaiters: (() => void)[] = [];

  /** @param run carries out one line; it tells its own errors and never rejects */
  constructor(private readonly run: (line: string) => Promise<void>) {}

  /** Whether a line is being carried out. */
  get busy(): boolean {
    return this.running;
  }

  /** How many lines have not begun. */
  get length(): number {
    return this.waiting.length;
  }

  push(line: string): void {
    this.waiting.push(line);
    if (!this.running) void this.pump();
  }

  /** Forgets the lines that have not begun; returns how many there were. */
  clear(): number {
    return this.waiting.splice(0).length;
  }

  /** Resolves when nothing runs and nothing waits. */
  idle(): Promise<void> {
    if (!this.running && this.waiting.length === 0) return Promise.resolve();
    return new Promise((resolve) => this.idleWaiters.push(resolve));
  }

  private async pump(): Promise<void> {
    this.running = true;
    try {
      for (let line = this.waiting.shift(); line !== undefined; line = this.waiting.shift()) {
        await this.run(line);
      }
    } finally {
      this.running = false;
      for (const resolve of this.idleWaiters.splice(0)) resolve();
    }
  }
}

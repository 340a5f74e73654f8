/**
 * Ctrl-C and SIGTERM. The first asks the run to stop at the next place where it
 * is safe: the engine's step under way is finished or undone, never cut. Later
 * ones only say that this is so.
 */
import type { ProgressEvent } from "../progress/events.js";

const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

export class Interruption {
  private readonly controller = new AbortController();
  private by: string | null = null;
  private readonly handlers: (readonly [NodeJS.Signals, () => void])[] = [];

  constructor(private readonly tell: (event: ProgressEvent) => void) {}

  /** Takes the signals over; `release` gives them back. */
  install(): void {
    for (const signal of signals) {
      const handler = (): void => this.request(signal);
      process.on(signal, handler);
      this.handlers.push([signal, handler]);
    }
  }

  release(): void {
    for (const [signal, handler] of this.handlers) process.off(signal, handler);
    this.handlers.length = 0;
  }

  request(signal: string): void {
    this.tell({ event: "stopping", signal, again: this.by !== null });
    if (this.by !== null) return;
    this.by = signal;
    this.controller.abort();
  }

  /** Name of the signal that asked to stop. */
  get requestedBy(): string | null {
    return this.by;
  }

  /** For waits that may end early. */
  get abortSignal(): AbortSignal {
    return this.controller.signal;
  }

  /** Sleeps; returns at once when the run is asked to stop. */
  sleep(milliseconds: number): Promise<void> {
    const { signal } = this.controller;
    if (signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const finish = (): void => {
        clearTimeout(timer);
        signal.removeEventListener("abort", finish);
        resolve();
      };
      const timer = setTimeout(finish, milliseconds);
      signal.addEventListener("abort", finish, { once: true });
    });
  }
}

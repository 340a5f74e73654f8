/** Clients that each ask again as soon as they are answered, and what every answer took. */
import { setTimeout as delay } from "node:timers/promises";

/** One client of a server. It stays connected unless its request itself is to connect. */
export interface Client {
  readonly name: string;
  /** Asks once. Rejects when the answer is wrong or the connection is lost. */
  request(): Promise<void>;
  close(): void;
}

/** What one phase was like. Times in microseconds, from a request's start to its whole answer. */
export interface PhaseFigures {
  readonly phase: string;
  readonly seconds: number;
  readonly requests: number;
  readonly failed: number;
  readonly perSecond: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly p999Us: number;
  readonly maxUs: number;
  readonly firstFailure: string | null;
}

/** The value below which so much (0 to 1) of the sorted values lies; 0 when there are none. */
export function percentile(sorted: ArrayLike<number>, part: number): number {
  const index = Math.min(sorted.length - 1, Math.ceil(sorted.length * part) - 1);
  return sorted[Math.max(index, 0)] ?? 0;
}

class Recording {
  readonly times: number[] = [];
  failed = 0;
  firstFailure: string | null = null;
  private readonly begun = performance.now();
  private ended = this.begun;

  constructor(readonly phase: string) {}

  end(): void {
    this.ended = performance.now();
  }

  figures(): PhaseFigures {
    const seconds = (this.ended - this.begun) / 1000;
    const sorted = Float64Array.from(this.times).sort();
    return {
      phase: this.phase,
      seconds,
      requests: sorted.length,
      failed: this.failed,
      perSecond: sorted.length / seconds,
      p50Us: percentile(sorted, 0.5),
      p99Us: percentile(sorted, 0.99),
      p999Us: percentile(sorted, 0.999),
      maxUs: sorted.at(-1) ?? 0,
      firstFailure: this.firstFailure,
    };
  }
}

/** A load that goes on through all phases. A request counts for the phase in which it was sent. */
export class Load {
  private readonly recordings: Recording[] = [];
  private recording: Recording;
  private ending = false;
  private readonly loops: readonly Promise<void>[];

  constructor(clients: readonly Client[], phase: string) {
    this.recording = new Recording(phase);
    this.recordings.push(this.recording);
    this.loops = clients.map((client) => this.use(client));
  }

  begin(phase: string): void {
    this.recording.end();
    this.recording = new Recording(phase);
    this.recordings.push(this.recording);
  }

  /** Lets every client have its answer; all phases, in order. */
  async end(): Promise<readonly PhaseFigures[]> {
    this.ending = true;
    this.recording.end();
    await Promise.all(this.loops);
    return this.recordings.map((recording) => recording.figures());
  }

  private async use(client: Client): Promise<void> {
    // Who has lost its connection fails at once, ever again: no busy loop, and an end of it.
    for (let failures = 0; !this.ending && failures < 100;) {
      const { recording } = this;
      const start = performance.now();
      try {
        await client.request();
      } catch (error) {
        failures++;
        recording.failed++;
        const words = error instanceof Error ? error.message : String(error);
        recording.firstFailure ??= `${client.name}: ${words}`;
        await delay(10);
      }
      recording.times.push((performance.now() - start) * 1000);
    }
  }
}

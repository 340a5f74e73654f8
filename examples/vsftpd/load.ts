/** FTP clients that never stop asking, and check every answer against what the phase allows. */
import { setTimeout as delay } from "node:timers/promises";
import type { PhaseName, PhaseResult } from "../../scripts/demonstration/report.js";
import { FtpSession } from "./ftp_client.js";
import { publishedFiles } from "./server.js";

/** What a client can see of the matcher: each as old and new matcher answer it. */
export const observations = {
  /** Files that `NLST *.txt` gives. */
  listing: { old: "readme.txt", new: "notes.txt.txt readme.txt" },
  /** First code of `RETR server.key.key` where `*.key` is denied. */
  denied: { old: "226", new: "550" },
} as const;

export type Matcher = "old" | "new";

/** Matchers that may answer in a phase: both while the change is under way. */
const allowed: Readonly<Record<PhaseName, readonly Matcher[]>> = {
  before: ["old"],
  applying: ["old", "new"],
  updated: ["new"],
  rolling_back: ["old", "new"],
  after: ["old"],
};

interface Tally {
  requests: number;
  failed: number;
  maxUs: number;
  firstFailure: string | null;
}

/** What a session shows of its matcher. */
export async function observe(session: FtpSession): Promise<{ listing: string; denied: string }> {
  const listing = (await session.names("*.txt")).join(" ");
  const denied = String((await session.receive("RETR server.key.key")).reply.code);
  return { listing, denied };
}

/** Sessions that log in at the start and stay, and one client that comes anew again and again. */
export class FtpLoad {
  readonly #tallies = new Map<PhaseName, Tally>();
  readonly #clients: Promise<void>[] = [];
  #phase: PhaseName = "before";
  #finished = false;

  constructor(
    readonly port: number,
    readonly sessions: readonly FtpSession[],
  ) {}

  start(): void {
    for (const session of this.sessions) this.#clients.push(this.#use(session));
    this.#clients.push(this.#comeAndGo());
  }

  begin(phase: PhaseName): void {
    this.#phase = phase;
  }

  /** No further requests. */
  stop(): void {
    this.#finished = true;
  }

  /** Lets every client finish what it is doing; all results, in order. */
  async end(): Promise<PhaseResult[]> {
    this.stop();
    await Promise.all(this.#clients);
    return [...this.#tallies].map(([phase, tally]) => ({ phase, ...tally }));
  }

  #tally(phase: PhaseName): Tally {
    let tally = this.#tallies.get(phase);
    if (tally === undefined) {
      tally = { requests: 0, failed: 0, maxUs: 0, firstFailure: null };
      this.#tallies.set(phase, tally);
    }
    return tally;
  }

  /** Times one request and judges its answer; false when the connection is lost. */
  async #request(
    name: string,
    send: () => Promise<string>,
    wanted: (matcher: Matcher) => string,
  ): Promise<boolean> {
    const sentIn = this.#phase;
    const tally = this.#tally(sentIn);
    const start = performance.now();
    let answer: string;
    let lost = false;
    try {
      answer = await send();
    } catch (error) {
      answer = error instanceof Error ? error.message : String(error);
      lost = true;
    }
    tally.requests++;
    tally.maxUs = Math.max(tally.maxUs, (performance.now() - start) * 1000);
    const fitting = [...allowed[sentIn], ...allowed[this.#phase]].map(wanted);
    if (lost || !fitting.includes(answer)) {
      tally.failed++;
      tally.firstFailure ??= `${name}: ${JSON.stringify(answer)}`;
    }
    return !lost;
  }

  async #round(session: FtpSession): Promise<boolean> {
    return (
      (await this.#request(
        "NLST *.txt",
        async () => (await session.names("*.txt")).join(" "),
        (matcher) => observations.listing[matcher],
      )) &&
      (await this.#request(
        "RETR server.key.key",
        async () => String((await session.receive("RETR server.key.key")).reply.code),
        (matcher) => observations.denied[matcher],
      )) &&
      (await this.#request(
        "RETR readme.txt",
        async () => (await session.receive("RETR readme.txt")).data,
        () => publishedFiles["readme.txt"] ?? "",
      )) &&
      (await this.#request(
        "RETR host.key",
        async () => String((await session.receive("RETR host.key")).reply.code),
        () => "550",
      )) &&
      (await this.#request(
        "PWD",
        async () => (await session.command("PWD")).text,
        () => '"/" is the current directory',
      ))
    );
  }

  async #use(session: FtpSession): Promise<void> {
    while (!this.#finished && (await this.#round(session))) await delay(5);
  }

  async #comeAndGo(): Promise<void> {
    while (!this.#finished) {
      let session: FtpSession | null = null;
      const opened = await this.#request(
        "log in",
        async () => {
          session = await FtpSession.open(this.port);
          return "in";
        },
        () => "in",
      );
      if (opened && session !== null && (await this.#round(session))) {
        await this.#leave(session);
      }
      await delay(20);
    }
  }

  async #leave(session: FtpSession): Promise<void> {
    await this.#request(
      "QUIT",
      async () => {
        await session.quit();
        return "out";
      },
      () => "out",
    );
  }
}

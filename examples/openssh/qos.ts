/** What sshd marks its packets with while sessions of different kinds share a connection. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { SshdServer } from "./server.js";
import { CommandSession } from "./sessions.js";

/** For how long a session that has ended may go on counting. */
const mostTries = 40;
const pauseMs = 25;

/** The default of `IPQoS`, as the kernel shows it. */
const names = new Map([
  ["0xb8", "interactive"],
  ["0x20", "bulk"],
]);

const ready = "ready\n";

/** A connection whose first session has a terminal, and to which sessions without one come and go. */
export class SharedConnection {
  private static opened = 0;
  private readonly source: string;
  private readonly path: string;
  private readonly terminal: CommandSession;

  private constructor(private readonly server: SshdServer) {
    this.source = server.newSource();
    this.path = join(server.folder, `shared${SharedConnection.opened++}`);
    const shared = ["-M", "-S", this.path, "-b", this.source, "-tt"];
    this.terminal = new CommandSession(
      server.client(shared, "stty raw -echo; echo ready; exec cat"),
    );
  }

  static async open(server: SshdServer): Promise<SharedConnection> {
    const connection = new SharedConnection(server);
    await connection.terminal.hear(ready);
    return connection;
  }

  /** With the terminal alone, with another session, and when that has ended. */
  async marks(): Promise<string> {
    await this.check();
    const alone = this.mark();
    const other = new CommandSession(this.server.client(["-S", this.path], "echo ready; exec cat"));
    let together: string;
    try {
      await other.hear(ready);
      together = this.mark();
    } finally {
      other.close();
    }
    let after = this.mark();
    for (let tries = 0; after !== alone && tries < mostTries; tries++) {
      await delay(pauseMs);
      await this.check();
      after = this.mark();
    }
    return [alone, together, after].join(", ");
  }

  /** The terminal's session goes on. */
  check(): Promise<void> {
    return this.terminal.check();
  }

  close(): void {
    this.terminal.close();
  }

  /** Of the server's end, as `ss` of iproute2 tells. */
  private mark(): string {
    const ours = ["state", "established", "src", `127.0.0.1:${this.server.port}`];
    const { status, stdout, stderr } = spawnSync(
      "ss",
      ["-tnH", "--tos", ...ours, "dst", this.source],
      { encoding: "utf8" },
    );
    const mark = /\btos:(\w+)/.exec(stdout)?.[1];
    if (status !== 0) throw new Error(`ss failed: ${stderr}`);
    return mark === undefined ? "none" : (names.get(mark) ?? mark);
  }
}

/** Starts an sshd on loopback with keys and settings of its own, and ends it with all its sessions. */
import { once } from "node:events";
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { Daemon } from "../../scripts/experiment/daemon.js";
import { freePort } from "../../scripts/experiment/processes.js";
import { certify } from "./certificate.js";
import { offeredKeyExchange } from "./probe.js";

/** For how long a listener may take to start anew. */
const mostTries = 400;
const pauseMs = 25;

function makeKey(path: string): void {
  const { status, stderr } = spawnSync(
    "ssh-keygen",
    ["-q", "-t", "ed25519", "-N", "", "-C", "polus", "-f", path],
    { encoding: "utf8" },
  );
  if (status !== 0) throw new Error(`ssh-keygen failed: ${stderr}`);
}

/** A key with a certificate that is good for the user only before CVE-2026-35414 was fixed. */
export const certifiedKey = "certified_key";

/** Makes that key; the line by which authorized_keys trusts its authority. */
function makeCertifiedKey(folder: string): string {
  const key = join(folder, certifiedKey);
  makeKey(key);
  const { username } = userInfo();
  // The certificate names one principal, which is not among the two of the list.
  const { line, authority } = certify(readFileSync(`${key}.pub`, "utf8"), `other,${username}`);
  writeFileSync(`${key}-cert.pub`, line);
  return `cert-authority,principals="nobody,${username}" ${authority}`;
}

/** How sshd serves a connection: it executes itself anew, or only forks (`sshd -r`). */
export type Serving = "executes" | "forks";

/** A running listener. Needs root: sshd separates privileges. */
export class SshdServer {
  private clients = 0;

  private constructor(
    private readonly daemon: Daemon,
    readonly folder: string,
    readonly port: number,
  ) {}

  get pid(): number {
    return this.daemon.pid;
  }

  /** @param more settings beside the usual ones */
  static async start(
    executable: string,
    serving: Serving,
    more: Readonly<Record<string, string>> = {},
  ): Promise<SshdServer> {
    const folder = mkdtempSync(join(tmpdir(), "polus-sshd-"));
    const port = await freePort();
    for (const name of ["host_key", "user_key"]) makeKey(join(folder, name));
    const authorized =
      readFileSync(join(folder, "user_key.pub"), "utf8") + makeCertifiedKey(folder);
    writeFileSync(join(folder, "authorized_keys"), authorized);
    const settings = {
      ListenAddress: "127.0.0.1",
      Port: port,
      HostKey: join(folder, "host_key"),
      AuthorizedKeysFile: join(folder, "authorized_keys"),
      StrictModes: "no",
      PermitRootLogin: "yes",
      PidFile: "none",
      MaxStartups: "200:30:400",
      Subsystem: "sftp internal-sftp",
      ...more,
    };
    const lines = Object.entries(settings).map(([name, value]) => `${name} ${value}\n`);
    writeFileSync(join(folder, "sshd_config"), lines.join(""), { mode: 0o600 });
    const words = ["-D", "-e", "-f", join(folder, "sshd_config")];
    if (serving === "forks") words.push("-r");
    const probe = (): Promise<unknown> => offeredKeyExchange(port);
    const start = { name: "sshd", executable, words, folder, log: "log", port, probe };
    return new SshdServer(await Daemon.start(start), folder, port);
  }

  get running(): boolean {
    return this.daemon.running;
  }

  /** What sshd and its sessions have written. */
  get log(): string {
    return this.daemon.log;
  }

  /** An address of this machine that no client of this server has come from. */
  newSource(): string {
    this.clients += 1;
    return `127.1.${this.clients >> 8}.${this.clients & 255}`;
  }

  /** Lets the listener execute itself anew, as its manual says (SIGHUP); sessions go on. */
  async restart(): Promise<void> {
    const times = (): number => this.log.split("Server listening on ").length;
    const before = times();
    process.kill(this.pid, "SIGHUP");
    for (let tries = 0; times() === before; tries++) {
      if (!this.running || tries === mostTries)
        throw new Error(`sshd did not start anew: ${this.log.slice(-2000)}`);
      await delay(pauseMs);
    }
    await offeredKeyExchange(this.port);
  }

  /** Whether the server lets somebody log in, who does nothing there. */
  async letsIn(more: readonly string[] = [], key?: string): Promise<boolean> {
    const child = this.client([...more, "-s"], "sftp", key);
    child.stdout?.resume();
    child.stderr?.resume();
    child.stdin?.end();
    const [code] = (await once(child, "close")) as [number | null];
    return code === 0;
  }

  /** Starts Debian's ssh with more options, which logs in to this server and runs a command there. */
  client(more: readonly string[], command: string, key = "user_key"): ChildProcess {
    const options = [
      "IdentitiesOnly=yes",
      "BatchMode=yes",
      "StrictHostKeyChecking=accept-new",
      `UserKnownHostsFile=${join(this.folder, "known_hosts")}`,
      "LogLevel=ERROR",
    ].flatMap((option) => ["-o", option]);
    const own = ["-F", "none", "-i", join(this.folder, key), ...options, "-p", String(this.port)];
    // Limits for each source are not to count one client as another.
    own.push("-b", this.newSource());
    const user = userInfo().username;
    return spawn("ssh", [...own, "-l", user, ...more, "127.0.0.1", command], {
      stdio: ["pipe", "pipe", "pipe"],
    });
  }

  processes(): number[] {
    return this.daemon.processes();
  }

  /** Ends the listener and every session that came from it, and removes its folder. */
  stop(): void {
    this.daemon.stop();
  }
}

/** Starts Debian's vsftpd on loopback with a folder of its own, and ends it with all its sessions. */
import { spawn, type ChildProcess } from "node:child_process";
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { familyOf } from "../../native/process/family.js";
import { endProcessTree, freePort } from "../../scripts/experiment/processes.js";
import { FtpSession } from "./ftp_client.js";

/** Files that clients find; `*.key` is denied to them unless a server's settings say otherwise. */
export const publishedFiles: Readonly<Record<string, string>> = {
  "readme.txt": "read me\n",
  "notes.txt.txt": "notes\n",
  "host.key": "not for you\n",
  "server.key.key": "not for you either\n",
  café: "coffee\n",
  private: "neither\n",
};

/** A running listener. Needs root: vsftpd changes users and its root folder. */
export class VsftpdServer {
  readonly #process: ChildProcess;
  readonly #folder: string;

  private constructor(
    child: ChildProcess,
    folder: string,
    readonly pid: number,
    readonly port: number,
  ) {
    this.#process = child;
    this.#folder = folder;
  }

  /** @param more settings beside the usual ones, or instead of them; null: leaves one out */
  static async start(
    executable: string,
    more: Readonly<Record<string, string | null>> = {},
  ): Promise<VsftpdServer> {
    const folder = mkdtempSync(join(tmpdir(), "polus-vsftpd-"));
    const port = await freePort();
    const root = join(folder, "files");
    const empty = join(folder, "empty");
    // vsftpd insists that the users it becomes cannot write to these.
    for (const path of [folder, root, empty]) mkdirSync(path, { recursive: true, mode: 0o755 });
    const settings: Readonly<Record<string, string | number | null>> = {
      listen: "YES",
      listen_address: "127.0.0.1",
      listen_port: port,
      background: "NO",
      anonymous_enable: "YES",
      no_anon_password: "YES",
      anon_root: root,
      ftp_username: "daemon",
      nopriv_user: "nobody",
      secure_chroot_dir: empty,
      pasv_address: "127.0.0.1",
      seccomp_sandbox: "YES",
      deny_file: "*.key",
      xferlog_enable: "YES",
      vsftpd_log_file: join(folder, "log"),
      ...more,
    };
    const lines = Object.entries(settings)
      .filter(([, value]) => value !== null)
      .map(([name, value]) => `${name}=${value}\n`);
    const file = join(folder, "vsftpd.conf");
    writeFileSync(file, lines.join(""), { mode: 0o600 });
    for (const [name, text] of Object.entries(publishedFiles)) {
      writeFileSync(join(root, name), text, { mode: 0o644 });
    }
    const log = openSync(join(folder, "output"), "w");
    const child = spawn(executable, [file], { stdio: ["ignore", log, log], detached: true });
    closeSync(log);
    if (child.pid === undefined) throw new Error(`cannot start ${executable}`);
    const server = new VsftpdServer(child, folder, child.pid, port);
    try {
      await server.#waitUntilReady();
      return server;
    } catch (error) {
      server.stop();
      throw error;
    }
  }

  get running(): boolean {
    return this.#process.exitCode === null && this.#process.signalCode === null;
  }

  async #waitUntilReady(): Promise<void> {
    for (let tries = 0; this.running && tries < 100; tries++) {
      try {
        return await (await FtpSession.open(this.port)).quit();
      } catch {
        await delay(50);
      }
    }
    const output = readFileSync(join(this.#folder, "output"), "utf8").trim();
    throw new Error(`vsftpd does not answer on port ${this.port}: ${output}`);
  }

  /** What vsftpd has written about transfers. */
  get log(): string {
    return readFileSync(join(this.#folder, "log"), "utf8");
  }

  /** Listener, privilege parents and sessions that run now. */
  processes(): number[] {
    return familyOf(this.pid);
  }

  /** Ends the listener and every session that came from it, and removes its folder. */
  stop(): void {
    if (this.running) endProcessTree(this.pid);
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

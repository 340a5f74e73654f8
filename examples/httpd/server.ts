/** Starts an Apache httpd on loopback with a folder of its own, and ends it with all its children. */
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Daemon } from "../../scripts/experiment/daemon.js";
import { freePort } from "../../scripts/experiment/processes.js";
import { HttpConnection } from "./connection.js";

/** `shared`: event, with its modules as shared objects. */
export type Mpm = "prefork" | "worker" | "event" | "shared";

/** A page whose condition is faulty: 2.4.67 shows the first branch, 2.4.68 neither. */
const conditional = `<!--#if expr="(" -->then<!--#else -->else<!--#endif -->`;

/** Files that clients ask for. */
export const pages = {
  "plain.txt": "plain text, ".repeat(80),
  "condition.shtml": `faulty: ${conditional}.`,
  "echo.shtml": `<!--#if expr="true" --><!--#echo var="REQUEST_METHOD" --><!--#else -->no<!--#endif -->`,
} as const;

const children: Readonly<Record<Mpm, readonly string[]>> = {
  prefork: ["StartServers 4", "MaxRequestWorkers 32", "MaxConnectionsPerChild 0"],
  worker: ["StartServers 2", "ThreadsPerChild 16", "MaxRequestWorkers 64"],
  event: ["StartServers 2", "ThreadsPerChild 16", "MaxRequestWorkers 64"],
  shared: ["StartServers 2", "ThreadsPerChild 16", "MaxRequestWorkers 64"],
};

/** `LoadModule` for every module that a build has made as a shared object. */
function loading(build: string): readonly string[] {
  const folders = join(build, "modules");
  return readdirSync(folders).flatMap((folder) => {
    const libraries = join(folders, folder, ".libs");
    if (!existsSync(libraries)) return [];
    return readdirSync(libraries).flatMap((file) => {
      const name = /^mod_(\w+)\.so$/.exec(file)?.[1];
      return name === undefined ? [] : [`LoadModule ${name}_module ${join(libraries, file)}`];
    });
  });
}

/** The parent process of a running server. Needs root: children become another user. */
export class HttpdServer {
  private constructor(
    private readonly daemon: Daemon,
    readonly port: number,
  ) {}

  get pid(): number {
    return this.daemon.pid;
  }

  /** @param modules the build whose shared objects are loaded; null: all modules are built in */
  static async start(
    executable: string,
    mpm: Mpm,
    modules: string | null = null,
  ): Promise<HttpdServer> {
    const folder = mkdtempSync(join(tmpdir(), "polus-httpd-"));
    const port = await freePort();
    const root = join(folder, "files");
    // Children are another user.
    chmodSync(folder, 0o755);
    for (const path of [root, join(folder, "run")]) mkdirSync(path, { mode: 0o755 });
    const settings = [
      ...(modules === null ? [] : loading(modules)),
      `ServerRoot ${folder}`,
      `DefaultRuntimeDir ${join(folder, "run")}`,
      `PidFile ${join(folder, "run/pid")}`,
      `Listen 127.0.0.1:${port}`,
      "ServerName localhost",
      "User daemon",
      "Group daemon",
      "KeepAlive On",
      "KeepAliveTimeout 60",
      "MaxKeepAliveRequests 0",
      `DocumentRoot ${root}`,
      `ErrorLog ${join(folder, "error_log")}`,
      "LogLevel crit",
      "TypesConfig /dev/null",
      "AddType text/plain .txt",
      "AddType text/html .shtml",
      "AddOutputFilter INCLUDES .shtml",
      `<Directory ${root}>`,
      "Options +Includes",
      "Require all granted",
      "</Directory>",
      ...children[mpm],
    ];
    writeFileSync(join(folder, "httpd.conf"), `${settings.join("\n")}\n`, { mode: 0o600 });
    for (const [name, text] of Object.entries(pages)) {
      writeFileSync(join(root, name), text, { mode: 0o644 });
    }
    const daemon = await Daemon.start({
      name: "httpd",
      executable,
      words: ["-f", join(folder, "httpd.conf"), "-DFOREGROUND"],
      folder,
      log: "output",
      port,
      probe: async () => {
        const connection = new HttpConnection(port);
        try {
          await connection.get("plain.txt");
        } finally {
          connection.close();
        }
      },
    });
    return new HttpdServer(daemon, port);
  }

  get running(): boolean {
    return this.daemon.running;
  }

  /** What httpd and its children have written to standard error; the rest is in its own logs. */
  get log(): string {
    return this.daemon.log;
  }

  processes(): number[] {
    return this.daemon.processes();
  }

  stop(): void {
    this.daemon.stop();
  }
}

/** Updates the listener of Debian's vsftpd and every session that is logged in, and takes it back. */
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { activeUpdates, polus, projectRoot } from "../../scripts/demonstration/polus.js";
import type { DemoReport } from "../../scripts/demonstration/report.js";
import { FtpSession } from "./ftp_client.js";
import { FtpLoad, observe } from "./load.js";
import { VsftpdServer } from "./server.js";

const residentSessions = 4;

/** The folder with the built server and update, or why there is none. */
export function prepareVsftpd(
  say: (text: string) => void,
): { readonly folder: string } | { readonly missing: string } {
  if (process.getuid?.() !== 0) {
    return { missing: "vsftpd changes users and its root folder, which only root may do" };
  }
  say("vsftpd: getting the sources and building them (seconds, the first time)");
  const build = spawnSync(`${projectRoot}/examples/vsftpd/build`, { encoding: "utf8" });
  if (build.status === 0) return { folder: build.stdout.trim() };
  if (build.status === 3) return { missing: build.stderr.trim() };
  throw new Error(`building vsftpd failed:\n${build.stderr}`);
}

/** One line for what all the sessions show; they must agree. */
async function observeAll(
  sessions: readonly FtpSession[],
): Promise<{ listing: string; denied: string }> {
  const seen = await Promise.all(sessions.map(observe));
  const join = (values: readonly string[]): string => [...new Set(values)].join(" or ");
  return {
    listing: join(seen.map(({ listing }) => listing)),
    denied: join(seen.map(({ denied }) => denied)),
  };
}

/**
 * Runs the whole demonstration with the server and update of `built` (see `prepareVsftpd`);
 * `seconds` is the length of each quiet phase.
 */
export async function demonstrateVsftpd(
  built: string,
  seconds: number,
  say: (text: string) => void,
): Promise<DemoReport> {
  // A script names its patch by a path beside it; neither belongs into the other's folder.
  const script = mkdtempSync(join(tmpdir(), "polus-update-"));
  const server = await VsftpdServer.start(join(built, "vsftpd"));
  const watchers: FtpSession[] = [];
  const residents: FtpSession[] = [];
  const load = new FtpLoad(server.port, residents);
  try {
    copyFileSync(join(projectRoot, "examples/vsftpd/update.polus"), join(script, "update.polus"));
    copyFileSync(join(built, "update.so"), join(script, "update.so"));
    for (let i = 0; i < residentSessions; i++) residents.push(await FtpSession.open(server.port));
    watchers.push(await FtpSession.open(server.port), await FtpSession.open(server.port));
    const problems: string[] = [];
    const expectUpdates = async (when: string, wanted: string): Promise<void> => {
      // Sessions come and go; those that were there all the while must show it.
      const before = server.processes();
      const active = await activeUpdates();
      const after = new Set(server.processes());
      for (const pid of before.filter((one) => after.has(one))) {
        const found = (active.get(pid) ?? []).join(", ");
        if (found !== wanted) {
          problems.push(`polus status of ${pid} ${when} shows "${found}", not "${wanted}"`);
        }
      }
    };
    /** Sessions from before the update, and one that is new. */
    const observeNow = async (): Promise<{ listing: string; denied: string }> => {
      const fresh = await FtpSession.open(server.port);
      const seen = await observeAll([...watchers, fresh]);
      await fresh.quit();
      return seen;
    };

    say(
      `vsftpd: listener ${server.pid}, ${server.processes().length} processes, chrooted and under seccomp`,
    );
    load.start();
    await delay(seconds * 1000);
    const before = await observeNow();

    say("vsftpd: polus run examples/vsftpd/update.polus");
    load.begin("applying");
    const apply = await polus(
      "run",
      join(script, "update.polus"),
      "--pid",
      String(server.pid),
      "--yes",
    );
    load.begin("updated");
    await expectUpdates("with the update", "match_further");
    await delay(seconds * 1000);
    const updated = await observeNow();

    say("vsftpd: polus rollback");
    load.begin("rolling_back");
    const rollback = await polus("rollback", "--pid", String(server.pid));
    load.begin("after");
    await expectUpdates("after rollback", "");
    await delay(seconds * 1000);
    const after = await observeNow();
    const phases = await load.end();
    if (!server.running) problems.push("the listener ended");
    return {
      title:
        "vsftpd 3.0.5 of Debian: its matcher of file names fixed in listener and logged-in sessions",
      phases,
      answers: [
        {
          question: "NLST *.txt",
          before: before.listing,
          updated: updated.listing,
          after: after.listing,
        },
        {
          question: "RETR server.key.key (deny_file=*.key)",
          before: before.denied,
          updated: updated.denied,
          after: after.denied,
        },
      ],
      apply,
      rollback,
      problems,
    };
  } finally {
    load.stop();
    for (const session of [...watchers, ...residents]) session.destroy();
    server.stop();
    rmSync(script, { recursive: true, force: true });
  }
}

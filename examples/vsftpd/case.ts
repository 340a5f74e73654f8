/** The experiment's cases of vsftpd: a matcher of file names that misses none, and Debian's next release. */
import { join } from "node:path";
import type { LiveSession, ServerCase } from "../../scripts/experiment/case.js";
import type { Client } from "../../scripts/experiment/load.js";
import { handWritten } from "../../scripts/experiment/hand_written.js";
import { runBuild } from "../../scripts/experiment/processes.js";
import { prepareVsftpd } from "./demo.js";
import { FtpSession } from "./ftp_client.js";
import { observe } from "./load.js";
import { publishedFiles, VsftpdServer } from "./server.js";

async function expectFile(session: FtpSession): Promise<void> {
  const { data } = await session.receive("RETR readme.txt");
  if (data !== publishedFiles["readme.txt"]) throw new Error("readme.txt is not what it is");
}

export async function openClient(server: VsftpdServer, name: string): Promise<Client> {
  const session = await FtpSession.open(server.port);
  return {
    name,
    // What both versions answer alike, by way of the matcher.
    request: async () => {
      const names = (await session.names("read*.txt")).join(" ");
      if (names !== "readme.txt") throw new Error(`NLST read*.txt gives "${names}"`);
    },
    close: () => session.destroy(),
  };
}

export async function openSession(server: VsftpdServer, what: string): Promise<LiveSession> {
  const session = await FtpSession.open(server.port);
  return { what, check: () => expectFile(session), close: () => session.destroy() };
}

const common = {
  applies: "run",
  rollbackTo: null,
  start: (executable: string) => VsftpdServer.start(executable),
  openSessions: async (server: VsftpdServer) => [
    await openSession(server, "a session that is logged in"),
    await openSession(server, "another"),
  ],
  openClients: async (server: VsftpdServer) => [
    await openClient(server, "nlst 1"),
    await openClient(server, "nlst 2"),
  ],
} as const;

export const vsftpdMatcher: ServerCase<VsftpdServer> = {
  ...common,
  name: "vsftpd-greedy",
  title: "vsftpd 3.0.5, what Debian's patch 0006-greedy is about",
  seen: { oldVersion: "readme.txt", newVersion: "notes.txt.txt readme.txt" },
  prepare: ({ say }) => {
    const built = prepareVsftpd(say);
    if ("missing" in built) return built;
    const executable = join(built.folder, "vsftpd");
    // The matcher is our own, not Debian's: what it is compared with is the same server without the update.
    return {
      oldVersion: executable,
      newVersion: executable,
      updates: [
        handWritten(
          ["examples/vsftpd/update.polus", "examples/vsftpd/update.c"],
          join(built.folder, "update.so"),
          executable,
        ),
      ],
    };
  },
  observe: async (server) => {
    const session = await FtpSession.open(server.port);
    try {
      return (await observe(session)).listing;
    } finally {
      session.destroy();
    }
  },
};

export const vsftpdSeries: ServerCase<VsftpdServer> = {
  ...common,
  name: "vsftpd-series",
  title: "vsftpd 3.0.5-0.2 to 3.0.5-1 of Debian, functions of its series",
  // The name of a file in the log.
  seen: { oldVersion: "/caf??", newVersion: "/café" },
  prepare: ({ say }) => {
    if (process.getuid?.() !== 0)
      return { missing: "vsftpd changes users, which only root may do" };
    say("vsftpd: getting the sources and building them (seconds, the first time)");
    const build = runBuild("examples/vsftpd/series/build");
    if ("missing" in build) return build;
    const oldVersion = join(build.folder, "old/vsftpd");
    return {
      oldVersion,
      newVersion: join(build.folder, "new/vsftpd"),
      updates: [
        handWritten(
          ["update.polus", "pasv.c", "sysutil.c", "twoprocess.c"].map(
            (file) => `examples/vsftpd/series/${file}`,
          ),
          join(build.folder, "update.so"),
          oldVersion,
        ),
      ],
    };
  },
  observe: async (server) => {
    const session = await FtpSession.open(server.port);
    try {
      await session.receive("RETR café");
      const names = [...server.log.matchAll(/OK DOWNLOAD: .*"(\/caf[^"]*)"/g)];
      return names.at(-1)?.[1] ?? "nothing";
    } finally {
      session.destroy();
    }
  },
};

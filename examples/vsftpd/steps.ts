/** The experiment's case of Debian's series for vsftpd, patch by patch: each an update that polus constructs. */
import { dirname, join } from "node:path";
import type { LiveSession, ServerCase } from "../../scripts/experiment/case.js";
import { constructUpdates, type ConstructedStep } from "../../scripts/experiment/construct.js";
import { runBuild } from "../../scripts/experiment/processes.js";
import { openClient, openSession } from "./case.js";
import { FtpSession } from "./ftp_client.js";
import { VsftpdServer } from "./server.js";

/** What is different for a client when a patch is there; null: nothing that one sees from outside. */
interface Step extends Omit<ConstructedStep, "version"> {
  readonly shows: Partial<Shown> | null;
}

/** What a session shows of the version that serves it. */
interface Shown {
  readonly listing: string;
  readonly features: string;
  readonly denied: string;
  readonly passive: string;
  readonly logged: string;
}

const before: Shown = {
  listing: "readme.txt",
  features: "UTF8",
  denied: "226",
  passive: "0,0,0,0",
  logged: "/caf??",
};

/** In the order of the series. */
const steps: readonly Step[] = [
  { name: "greedy", shows: { listing: "notes.txt.txt readme.txt" } },
  { name: "utf8", shows: { features: "no UTF8" } },
  { name: "deny_file", shows: { denied: "550" } },
  { name: "filename_pattern", shows: null },
  { name: "pam_exec_hang", shows: null },
  { name: "pasv_address", shows: { passive: "127,0,0,1" } },
  { name: "bugfixes_tls_utf8", shows: { logged: "/café" } },
];

const shownText = (shown: Shown): string => Object.values(shown).join(", ");

/** By the number of updates that are active. */
const shown = steps.reduce<readonly Shown[]>(
  (all, { shows }) => [...all, { ...(all.at(-1) ?? before), ...shows }],
  [before],
);

async function observeSession(server: VsftpdServer, session: FtpSession): Promise<string> {
  const listing = (await session.names("*.txt")).join(" ");
  const features = (await session.lines("FEAT")).includes(" UTF8") ? "UTF8" : "no UTF8";
  // Denied by its path, asked for by its name.
  const denied = String((await session.receive("RETR private")).reply.code);
  const passive = /\(((?:\d+,){3}\d+)/.exec((await session.command("PASV")).text)?.[1] ?? "";
  await session.receive("RETR café");
  const names = [...server.log.matchAll(/OK DOWNLOAD: .*"(\/caf[^"]*)"/g)];
  return shownText({ listing, features, denied, passive, logged: names.at(-1)?.[1] ?? "" });
}

/** Logged in from the beginning; must show what a new session shows, too. */
const residents = new WeakMap<VsftpdServer, FtpSession>();

async function openResident(server: VsftpdServer): Promise<LiveSession> {
  residents.set(server, await FtpSession.open(server.port));
  return {
    what: "a session that is asked what it shows of each update",
    check: () => Promise.resolve(),
    close: () => residents.get(server)?.destroy(),
  };
}

export const vsftpdSteps: ServerCase<VsftpdServer> = {
  name: "vsftpd-steps",
  title: "vsftpd 3.0.5-1 of Debian, seven steps of its series, each constructed",
  applies: "run",
  rollbackTo: null,
  seen: {
    oldVersion: shownText(before),
    newVersion: shownText(shown.at(-1) ?? before),
    between: shown.slice(1, -1).map(shownText),
  },
  prepare: (options) => {
    if (process.getuid?.() !== 0)
      return { missing: "vsftpd changes users, which only root may do" };
    options.say("vsftpd: getting the sources and building them step by step");
    const folders: string[] = [];
    for (let step = 0; step <= steps.length; step++) {
      const build = runBuild("scripts/build-server", `vsftpd-step-${step}`);
      if ("missing" in build) return build;
      folders.push(build.folder);
    }
    const [base = "", ...versions] = folders;
    const binary = join(base, "vsftpd");
    return {
      oldVersion: binary,
      newVersion: join(versions.at(-1) ?? base, "vsftpd"),
      updates: constructUpdates({
        ...options,
        base,
        binary,
        steps: steps.map(({ name, adjustment }, index) => ({
          name,
          version: versions[index] ?? base,
          ...(adjustment === undefined ? {} : { adjustment }),
        })),
        folder: join(dirname(base), "vsftpd-steps"),
      }),
    };
  },
  start: (executable) =>
    VsftpdServer.start(executable, {
      // Connections by IPv4 have addresses of IPv6 then.
      listen: null,
      listen_address: null,
      listen_ipv6: "YES",
      listen_address6: "::ffff:127.0.0.1",
      deny_file: "{*.key,/private}",
    }),
  observe: async (server) => {
    const session = await FtpSession.open(server.port);
    try {
      const fresh = await observeSession(server, session);
      const resident = residents.get(server);
      const old = resident === undefined ? fresh : await observeSession(server, resident);
      return fresh === old ? fresh : `${fresh}; a session from before: ${old}`;
    } finally {
      session.destroy();
    }
  },
  openSessions: async (server) => [
    await openSession(server, "a session that is logged in"),
    await openResident(server),
  ],
  openClients: async (server) => [
    await openClient(server, "nlst 1"),
    await openClient(server, "nlst 2"),
  ],
};

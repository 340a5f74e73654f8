/**
 * The experiment's case of sshd 10.0: Debian's patch `fix-max-startups-tracking`, constructed. Part of it is in
 * the listener's loop, which is inlined into `main` and never returns: a listener that runs is updated in what
 * the loop calls, and gets the new loop when it executes itself anew under `polus watch`.
 */
import { dirname, join } from "node:path";
import type { ServerCase } from "../../scripts/experiment/case.js";
import { constructUpdates } from "../../scripts/experiment/construct.js";
import { runBuild } from "../../scripts/experiment/processes.js";
import { whoIsThere } from "./case.js";
import { SshdServer } from "./server.js";

/** Connections from one source that may be unauthenticated at a time. */
const atOnce = 2;

/**
 * Whether one source may log in more often than it may have unauthenticated connections at a time: the old
 * version goes on counting those that have logged in.
 */
export async function countsLogIns(server: SshdServer): Promise<string> {
  const source = server.newSource();
  for (let time = 0; time <= atOnce; time++)
    if (!(await server.letsIn(["-b", source]))) return `refused after ${time}`;
  return "all accepted";
}

/** What only the new version's loop writes when a connection ends before anybody has logged in. */
export function loopIsNew(server: SshdServer): boolean {
  return server.log.includes("closed pipe");
}

const build = (name: string): ReturnType<typeof runBuild> =>
  runBuild("scripts/build-server", `openssh-10.0-${name}`);

/** A listener, whose sessions are served by programs of the old version's build, which have not changed. */
export function startMaxStartups(executable: string): Promise<SshdServer> {
  const built = build("before-max-startups");
  if ("missing" in built) throw new Error(built.missing);
  return SshdServer.start(executable, "executes", {
    SshdSessionPath: join(built.folder, "sshd-session"),
    SshdAuthPath: join(built.folder, "sshd-auth"),
    PerSourcePenalties: "no",
    PerSourceMaxStartups: String(atOnce),
    LogVerbose: "sshd.c:server_accept_loop*",
  });
}

export const opensshMaxStartups: ServerCase<SshdServer> = {
  name: "openssh-max-startups",
  title:
    "openssh 10.0p1, fix-max-startups-tracking of Debian, constructed; the listener executes itself anew under polus watch",
  applies: "watch",
  rollbackTo: null,
  seen: { oldVersion: `refused after ${atOnce}`, newVersion: "all accepted" },
  prepare: (options) => {
    if (process.getuid?.() !== 0) return { missing: "sshd separates privileges, which needs root" };
    options.say("openssh: getting the sources and building them (minutes, the first time)");
    const [before, after] = [build("before-max-startups"), build("after-max-startups")];
    if ("missing" in before) return before;
    if ("missing" in after) return after;
    const binary = join(before.folder, "sshd");
    return {
      oldVersion: binary,
      newVersion: join(after.folder, "sshd"),
      updates: constructUpdates({
        ...options,
        base: before.folder,
        binary,
        steps: [{ name: "max_startups", version: after.folder }],
        folder: join(dirname(before.folder), "openssh-max-startups"),
      }),
    };
  },
  start: startMaxStartups,
  observe: countsLogIns,
  settle: (server) => server.restart(),
  ...whoIsThere,
};

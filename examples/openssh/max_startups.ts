/**
 * The experiment's case of sshd 10.0: Debian's patch `fix-max-startups-tracking`, constructed. Part of it is in
 * the listener's loop, which is inlined into `main` and never returns: a listener that runs is updated in what
 * the loop calls, and gets the new loop when it executes itself anew under `polus watch`.
 */
import { join } from "node:path";
import type { ServerCase } from "../../scripts/experiment/case.js";
import { runBuild } from "../../scripts/experiment/processes.js";
import { whoIsThere } from "./case.js";
import { prepareStep } from "./constructed_step.js";
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
  prepare: (options) => prepareStep(options, "openssh-10.0", "max-startups"),
  start: startMaxStartups,
  observe: countsLogIns,
  settle: (server) => server.restart(),
  ...whoIsThere,
};

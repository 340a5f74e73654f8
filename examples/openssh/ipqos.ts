/**
 * The experiment's case of sshd 10.0 whose structs grow: Debian's patch `ipqos-set-at-runtime`, constructed from
 * its sources as they are fitted to a server that runs (`ipqos/fitted.patch`).
 */
import {
  copyFileSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import type { LiveSession, ServerCase, UpdateFiles } from "../../scripts/experiment/case.js";
import { constructUpdates } from "../../scripts/experiment/construct.js";
import { childrenOf } from "../../native/process/family.js";
import { runBuild } from "../../scripts/experiment/processes.js";
import { whoIsThere } from "./case.js";
import { SharedConnection } from "./qos.js";
import { SshdServer } from "./server.js";

const fitted = "examples/openssh/ipqos/fitted.patch";

/** One script for several programs, each with a constructed update; their objects are named after these. */
function together(updates: readonly UpdateFiles[], folder: string): UpdateFiles {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const objects = updates.map(({ name, objects: [object = ""] }) => {
    const copy = join(folder, `${name}.so`);
    copyFileSync(object, copy);
    return copy;
  });
  const script = join(folder, "update.polus");
  const texts = updates.map(({ name, script: one }) =>
    readFileSync(one, "utf8").replace('from "update.so"', `from "${name}.so"`),
  );
  writeFileSync(script, texts.join("\n"));
  const sum = (of: (update: UpdateFiles) => number | null): number =>
    updates.reduce((all, update) => all + (of(update) ?? 0), 0);
  return {
    name: "ipqos",
    script,
    objects,
    lines: {
      generated: sum(({ lines }) => lines.generated),
      cByHand: sum(({ lines }) => lines.cByHand),
      scriptByHand: sum(({ lines }) => lines.scriptByHand),
    },
    constructSeconds: sum(({ constructSeconds }) => constructSeconds),
    changes: {
      types: sum(({ changes }) => changes.types),
      globals: sum(({ changes }) => changes.globals),
    },
    unreached: sum(({ unreached }) => unreached),
  };
}

/** Listener and sessions are different programs, which lie beside each other. */
export function startIpqos(executable: string): Promise<SshdServer> {
  const folder = dirname(executable);
  return SshdServer.start(executable, "executes", {
    SshdSessionPath: join(folder, "sshd-session"),
    SshdAuthPath: join(folder, "sshd-auth"),
    PerSourcePenalties: "no",
  });
}

/** Opened before the update; must show what a new connection shows. */
const residents = new WeakMap<SshdServer, SharedConnection>();

async function openResident(server: SshdServer): Promise<LiveSession> {
  const resident = await SharedConnection.open(server);
  residents.set(server, resident);
  return {
    what: "a connection that several sessions share",
    // `observe` speaks with it.
    check: () => Promise.resolve(),
    close: () => resident.close(),
  };
}

/** The processes that serve connections: each has been updated by itself. */
export function sessionsOf(server: SshdServer): readonly number[] {
  return childrenOf(server.pid).filter((pid) => {
    try {
      return readlinkSync(`/proc/${pid}/exe`).endsWith("/sshd-session");
    } catch {
      return false;
    }
  });
}

export const opensshIpqos: ServerCase<SshdServer> = {
  name: "openssh-ipqos",
  title:
    "openssh 10.0p1, ipqos-set-at-runtime of Debian, constructed from fitted sources; sshd and sshd-session under polus watch",
  applies: "watch",
  rollbackTo: null,
  seen: {
    oldVersion: "interactive, interactive, interactive",
    newVersion: "interactive, bulk, interactive",
  },
  prepare: (options) => {
    if (process.getuid?.() !== 0) return { missing: "sshd separates privileges, which needs root" };
    options.say("openssh: getting the sources and building them (minutes, the first time)");
    const folders: string[] = [];
    for (const version of ["before", "after", "fitted"]) {
      const build = runBuild("scripts/build-server", `openssh-10.0-${version}-ipqos`);
      if ("missing" in build) return build;
      folders.push(build.folder);
    }
    const [before = "", after = "", version = ""] = folders;
    const folder = join(dirname(before), "openssh-ipqos");
    const updates = ["sshd", "sshd-session"].flatMap((program) =>
      constructUpdates({
        ...options,
        base: before,
        binary: join(before, program),
        steps: [
          // What is fitted is all in sshd-session.
          { name: program, version, ...(program === "sshd-session" ? { fitted } : {}) },
        ],
        folder: join(folder, `${program}.constructed`),
      }),
    );
    return {
      oldVersion: join(before, "sshd"),
      newVersion: join(after, "sshd"),
      programs: ["sshd-session", "sshd-auth"].map((program) => join(before, program)),
      updates: [together(updates, join(folder, "both"))],
    };
  },
  start: startIpqos,
  updated: (server) => [server.pid, ...sessionsOf(server)],
  observe: async (server) => {
    const connection = await SharedConnection.open(server);
    try {
      const fresh = await connection.marks();
      const old = (await residents.get(server)?.marks()) ?? fresh;
      return fresh === old ? fresh : `${fresh}; a connection from before: ${old}`;
    } finally {
      connection.close();
    }
  },
  openSessions: async (server) => [
    ...(await whoIsThere.openSessions(server)),
    await openResident(server),
  ],
  openClients: whoIsThere.openClients,
};

/** The experiment's cases of httpd: what changed in its core from one release to the next, for three models. */
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Built, LiveSession, ServerCase } from "../../scripts/experiment/case.js";
import type { Client } from "../../scripts/experiment/load.js";
import { constructUpdates } from "../../scripts/experiment/construct.js";
import { handWritten } from "../../scripts/experiment/hand_written.js";
import { runBuild } from "../../scripts/experiment/processes.js";
import { HttpConnection } from "./connection.js";
import { HttpdServer, pages, type Mpm } from "./server.js";

/** Pages that both versions answer alike, with their answers. */
const steady = [
  ["plain.txt", pages["plain.txt"]],
  ["echo.shtml", "GET"],
] as const;

async function expectPage(connection: HttpConnection, turn: number): Promise<void> {
  const [file, wanted] = steady[turn % steady.length] ?? steady[0];
  const body = await connection.get(file);
  if (body !== wanted) throw new Error(`${file} is ${JSON.stringify(body)}`);
}

/** httpd's default of MaxKeepAliveRequests. */
const requestsOfConnection = 100;

/**
 * Connects anew now and then, as browsers do. A connection stays with the process that has accepted it, and
 * whether two are with the same one makes a difference of 30 % (worker).
 */
function openClient(server: HttpdServer, name: string): Client {
  let connection = new HttpConnection(server.port);
  let turn = 0;
  return {
    name,
    request: async () => {
      if (turn > 0 && turn % requestsOfConnection === 0) {
        connection.close();
        connection = new HttpConnection(server.port);
      }
      await expectPage(connection, turn++);
    },
    close: () => connection.close(),
  };
}

function openSession(server: HttpdServer, what: string): LiveSession {
  const connection = new HttpConnection(server.port);
  let turn = 0;
  return {
    what,
    check: () => expectPage(connection, turn++),
    close: () => connection.close(),
  };
}

const needsRoot = "httpd's children change users, which needs root";

const sourcesFor = (mpm: Mpm): readonly string[] => [
  `examples/httpd/${mpm === "shared" ? "shared.polus" : "update.polus"}`,
  ...code,
];

const code = [
  "update/headers.c",
  "update/include.c",
  "update/log.c",
  "update/pcre.c",
  "update/time.c",
  "update/unixd.c",
].map((file) => `examples/httpd/${file}`);

/** Builds versions and update; or says why it cannot. */
export function prepareHttpd(
  mpm: Mpm,
  say: (text: string) => void,
): Built | { readonly missing: string } {
  if (process.getuid?.() !== 0) return { missing: needsRoot };
  say(`httpd, ${mpm}: getting the sources and building them (minutes, the first time)`);
  const build = runBuild("examples/httpd/build", mpm);
  if ("missing" in build) return build;
  const oldVersion = join(build.folder, "old/httpd");
  return {
    oldVersion,
    newVersion: join(build.folder, "new/httpd"),
    updates: [handWritten(sourcesFor(mpm), join(build.folder, "update.so"), oldVersion)],
  };
}

/** The whole release, constructed from the sources of the two versions, for what is built in. */
export function httpdConstructed(mpm: Mpm): ServerCase<HttpdServer> {
  return {
    ...httpdCase(mpm),
    name: `httpd-constructed-${mpm}`,
    title: `httpd 2.4.67 to 2.4.68, the whole release, constructed; ${mpm}`,
    prepare: (options) => {
      if (process.getuid?.() !== 0) return { missing: needsRoot };
      options.say(`httpd, ${mpm}: getting the sources and building them (minutes, the first time)`);
      const old = runBuild("scripts/build-server", `httpd-2.4.67-${mpm}`);
      if ("missing" in old) return old;
      const next = runBuild("scripts/build-server", `httpd-2.4.68-${mpm}`);
      if ("missing" in next) return next;
      const binary = join(old.folder, "httpd");
      return {
        oldVersion: binary,
        newVersion: join(next.folder, "httpd"),
        updates: constructUpdates({
          ...options,
          base: old.folder,
          binary,
          steps: [{ name: "to_2_4_68", version: next.folder }],
          folder: join(dirname(old.folder), `httpd-constructed-${mpm}`),
        }),
      };
    },
  };
}

/** Functions of mod_include.so and of the program, in one update. */
export const httpdShared: ServerCase<HttpdServer> = {
  ...httpdCase("shared"),
  title: "httpd 2.4.67 to 2.4.68, functions of its core and of a module in a shared object; event",
  prepare: ({ say }) => prepareHttpd("shared", say),
  start: (executable) => {
    // The update's program is a copy elsewhere of the old version's.
    const own = dirname(executable);
    if (existsSync(join(own, "modules"))) return HttpdServer.start(executable, "shared", own);
    const old = runBuild("scripts/build-server", "httpd-2.4.67-shared");
    if ("missing" in old) return Promise.reject(new Error(old.missing));
    return HttpdServer.start(executable, "shared", old.folder);
  },
};

export function httpdCase(mpm: Mpm): ServerCase<HttpdServer> {
  return {
    name: `httpd-${mpm}`,
    title: `httpd 2.4.67 to 2.4.68, functions of its core; ${mpm}`,
    applies: "run",
    rollbackTo: null,
    // What is shown of a page whose condition is faulty.
    seen: { oldVersion: "its first branch", newVersion: "neither branch" },
    prepare: ({ say }) => prepareHttpd(mpm, say),
    start: (executable) => HttpdServer.start(executable, mpm),
    observe: async (server) => {
      const connection = new HttpConnection(server.port);
      try {
        const page = await connection.get("condition.shtml");
        return page.endsWith("then.") ? "its first branch" : "neither branch";
      } finally {
        connection.close();
      }
    },
    openSessions: (server) =>
      Promise.resolve([
        openSession(server, "a keep-alive connection"),
        openSession(server, "another"),
      ]),
    openClients: (server) =>
      Promise.resolve([openClient(server, "get 1"), openClient(server, "get 2")]),
  };
}

/**
 * The experiment's case of strict key exchange (CVE-2023-48795), constructed: `struct kex` gains a field, so
 * that sessions carry their state over. What offers it is inlined into `main`, which never returns: sshd
 * executes itself for each connection, and each enters the new `main` under `polus watch`.
 */
import { dirname, join } from "node:path";
import type { ServerCase } from "../../scripts/experiment/case.js";
import { constructUpdates } from "../../scripts/experiment/construct.js";
import { runBuild } from "../../scripts/experiment/processes.js";
import { whoIsThere } from "./case.js";
import { offersStrictKex } from "./probe.js";
import { SshdServer } from "./server.js";

export const opensshStrictKex: ServerCase<SshdServer> = {
  name: "openssh-strict-kex",
  title:
    "openssh 9.2p1, CVE-2023-48795 of Debian, constructed; sshd executes itself for each connection, under polus watch",
  applies: "watch",
  rollbackTo: null,
  seen: { oldVersion: "not strict", newVersion: "strict" },
  prepare: (options) => {
    if (process.getuid?.() !== 0) return { missing: "sshd separates privileges, which needs root" };
    options.say("openssh: getting the sources and building them (minutes, the first time)");
    const [before, after] = ["before", "after"].map((when) =>
      runBuild("scripts/build-server", `openssh-${when}-strict-kex`),
    );
    if (before === undefined || after === undefined) throw new Error("two versions are built");
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
        steps: [{ name: "strict_kex", version: after.folder }],
        folder: join(dirname(before.folder), "openssh-strict-kex"),
      }),
    };
  },
  start: (executable) => SshdServer.start(executable, "executes"),
  observe: (server) => offersStrictKex(server.port),
  ...whoIsThere,
};

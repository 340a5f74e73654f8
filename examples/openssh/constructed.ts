/** The experiment's cases of sshd whose updates polus constructs: single security patches of Debian's series. */
import { dirname, join } from "node:path";
import type { ServerCase } from "../../scripts/experiment/case.js";
import { constructUpdates } from "../../scripts/experiment/construct.js";
import { runBuild } from "../../scripts/experiment/processes.js";
import { whoIsThere } from "./case.js";
import { certifiedKey, SshdServer } from "./server.js";

/** Whether a certificate for `other,USER` is good for a log-in by `nobody,USER`. */
async function tryCertificate(server: SshdServer): Promise<string> {
  return (await server.letsIn([], certifiedKey)) ? "accepted" : "refused";
}

/** Two patches, one after another; only a forged signature would show the first one. */
export const opensshConstructed: ServerCase<SshdServer> = {
  name: "openssh-constructed",
  title: "openssh 9.2p1, CVE-2026-35387 and CVE-2026-35414 of Debian, constructed; sshd -r",
  applies: "run",
  rollbackTo: null,
  seen: { oldVersion: "accepted", newVersion: "refused", between: ["accepted"] },
  prepare: (options) => {
    if (process.getuid?.() !== 0) return { missing: "sshd separates privileges, which needs root" };
    options.say("openssh: getting the sources and building them (minutes, the first time)");
    const folders: string[] = [];
    for (const version of ["before-ecdsa", "before-principals", "after-principals"]) {
      const build = runBuild("scripts/build-server", `openssh-${version}`);
      if ("missing" in build) return build;
      folders.push(build.folder);
    }
    const [base = "", ecdsa = "", principals = ""] = folders;
    const binary = join(base, "sshd");
    return {
      oldVersion: binary,
      newVersion: join(principals, "sshd"),
      updates: constructUpdates({
        ...options,
        base,
        binary,
        steps: [
          { name: "ecdsa", version: ecdsa },
          { name: "principals", version: principals },
        ],
        folder: join(dirname(base), "openssh-constructed"),
      }),
    };
  },
  start: (executable) => SshdServer.start(executable, "forks"),
  observe: tryCertificate,
  ...whoIsThere,
};

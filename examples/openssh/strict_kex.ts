/**
 * The experiment's case of strict key exchange (CVE-2023-48795), constructed: `struct kex` gains a field, so
 * that sessions carry their state over. What offers it is inlined into `main`, which never returns: sshd
 * executes itself for each connection, and each enters the new `main` under `polus watch`.
 */
import type { ServerCase } from "../../scripts/experiment/case.js";
import { whoIsThere } from "./case.js";
import { prepareStep } from "./constructed_step.js";
import { offersStrictKex } from "./probe.js";
import { SshdServer } from "./server.js";

export const opensshStrictKex: ServerCase<SshdServer> = {
  name: "openssh-strict-kex",
  title:
    "openssh 9.2p1, CVE-2023-48795 of Debian, constructed; sshd executes itself for each connection, under polus watch",
  applies: "watch",
  rollbackTo: null,
  seen: { oldVersion: "not strict", newVersion: "strict" },
  prepare: (options) => prepareStep(options, "openssh", "strict-kex"),
  start: (executable) => SshdServer.start(executable, "executes"),
  observe: (server) => offersStrictKex(server.port),
  ...whoIsThere,
};

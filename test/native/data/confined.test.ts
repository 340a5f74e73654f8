// may skip: needs root
/** Data of programs that have given up rights: changed, or refused without harm. */
import * as assert from "uvu/assert";
import { mkdtempSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  apply,
  expectUntraced,
  expectVersion,
  refused,
  rollback,
} from "../../support/engine_session.js";
import { test } from "../../support/engine_test.js";
import { checkBook, ledgerProgram, ledgerUpdate } from "../../support/ledger.js";
import { sleep, withTarget } from "../../support/target_process.js";

const probes = ["move", "touch"];

test.asRoot("chrooted, another user, not dumpable, in a pid namespace", async () => {
  const folder = mkdtempSync(join(tmpdir(), "polus-empty-"));
  try {
    const args = [`--chroot=${folder}`, "--uid=65534", "--undumpable", "--stay"];
    await withTarget(ledgerProgram(), { args, pidNamespace: true }, async (target) => {
      await apply(target.pid, ledgerUpdate());
      await expectVersion(target, "new", probes);
      await sleep(200);
      await checkBook(target);
      await target.ask("leave");
      await rollback(target.pid);
      await expectVersion(target, "old", probes);
      await checkBook(target);
      expectUntraced(target);
    });
  } finally {
    rmdirSync(folder);
  }
});

test.asRoot(
  "a filter denies what the runtime needs: refused, and the program goes on",
  async () => {
    await withTarget(ledgerProgram(), { args: ["--seccomp"] }, async (target) => {
      const error = await refused(apply(target.pid, ledgerUpdate()), "SECCOMP_DENIES");
      assert.match(error.message, /two versions of data/);
      await expectVersion(target, "old", probes);
      await checkBook(target);
      await target.ask("reset");
      expectUntraced(target);
    });
  },
);

test.run();

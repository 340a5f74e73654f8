// timeout 300s
// may skip: only root may confine a target so, or change to another user
/** Updates of programs that are confined as real servers confine their sessions. */
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import * as assert from "uvu/assert";
import {
  apply,
  engine,
  expectUntraced,
  expectVersion,
  refused,
  roundTrip,
} from "../../support/engine_session.js";
import { test } from "../../support/engine_test.js";
import { buildPatch, simpleUpdate } from "../../support/patches.js";
import { mappings } from "../../support/proc.js";
import {
  basicProgram,
  basicUpdate,
  staticsProgram,
  staticsUpdate,
} from "../../support/programs.js";
import { buildTarget, withTarget } from "../../support/target_process.js";
import { scratchFolder } from "../../support/toolchain.js";

async function withEmptyFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const scratch = scratchFolder();
  const folder = join(scratch, "root");
  mkdirSync(folder, { mode: 0o755 });
  try {
    await body(folder);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

test.asRoot("chrooted into an empty folder", async () => {
  await withEmptyFolder((folder) =>
    withTarget(staticsProgram(), { args: [`--chroot=${folder}`] }, (target) =>
      roundTrip(target, staticsUpdate(target.program)),
    ),
  );
});

test.asRoot("under a strict system call filter", async () => {
  await withTarget(basicProgram(), { args: ["--seccomp"] }, (target) =>
    roundTrip(target, basicUpdate()),
  );
});

test.asRoot(
  "chrooted, filtered, another user, not dumpable, in a pid namespace, all at once",
  async () => {
    await withEmptyFolder((folder) =>
      withTarget(
        basicProgram(),
        {
          args: [`--chroot=${folder}`, "--seccomp", "--uid=65534", "--undumpable"],
          pidNamespace: true,
        },
        async (target) => {
          await roundTrip(target, basicUpdate());
          const status = readFileSync(`/proc/${target.pid}/status`, "utf8");
          assert.match(status, /^Seccomp:\t2$/m);
          assert.match(status, /^Uid:\t65534\t65534\t65534\t65534$/m);
        },
      ),
    );
  },
);

test("a filter that denies rt_sigreturn: updated without harm or refused beforehand", async () => {
  await withTarget(basicProgram(), { args: ["--seccomp=no-sigreturn"] }, async (target) => {
    const before = mappings(target.pid);
    await refused(apply(target.pid, basicUpdate()), "SECCOMP_DENIES");
    assert.equal(mappings(target.pid), before);
    await expectVersion(target, "old");
    expectUntraced(target);
  });
});

test("threads under the strictest filter beside free ones", async () => {
  await withTarget(buildTarget({ name: "strict" }), {}, (target) =>
    roundTrip(target, basicUpdate()),
  );
});

test("no room within reach of a jump is refused before anything is mapped", async () => {
  await withTarget(basicProgram(), { args: ["--crowded"] }, async (target) => {
    const before = mappings(target.pid);
    await refused(apply(target.pid, basicUpdate()), "NO_ROOM");
    assert.equal(mappings(target.pid), before);
    await expectVersion(target, "old");
  });
});

test.asRoot("another user", async () => {
  await withTarget(basicProgram(), { args: ["--uid=65534"] }, (target) =>
    roundTrip(target, basicUpdate()),
  );
});

test("memory that is locked as it is mapped", async () => {
  await withTarget(basicProgram(), { args: ["--lock-future"] }, (target) =>
    roundTrip(target, simpleUpdate("additions", buildPatch("additions.c"), ["answer"])),
  );
});

test("an address space that is too tight is refused before anything is mapped", async () => {
  await withTarget(basicProgram(), { args: ["--as-headroom=8192"] }, async (target) => {
    const before = mappings(target.pid);
    await refused(
      apply(target.pid, simpleUpdate("additions", buildPatch("additions.c"), ["answer"])),
      "LIMIT_TOO_TIGHT",
    );
    assert.equal(mappings(target.pid), before);
    assert.is(await engine.status(target.pid), null);
    await expectVersion(target, "old");
  });
});

test("an address space with little room to spare", async () => {
  await withTarget(basicProgram(), { args: [`--as-headroom=${4 << 20}`] }, (target) =>
    roundTrip(target, basicUpdate()),
  );
});

test.run();

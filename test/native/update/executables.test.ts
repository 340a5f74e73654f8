// timeout 300s
/** The same update on executables of every make. */
import { copyFileSync, renameSync, rmSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { apply, engine, expectVersion, refused, roundTrip } from "../../support/engine_session.js";
import { test } from "../../support/engine_test.js";
import {
  basicProgram,
  basicUpdate,
  functionsProgram,
  functionsUpdate,
  staticsProgram,
  staticsUpdate,
} from "../../support/programs.js";
import { type TargetProcess, withTarget } from "../../support/target_process.js";
import { buildIdOf, scratchFolder, stripped } from "../../support/toolchain.js";

const makes: Readonly<Record<string, readonly string[]>> = {
  "position independent": ["-fPIE", "-pie"],
  "position dependent": ["-fno-pie", "-no-pie"],
  "with endbr64 entries": ["-fcf-protection=full"],
  "position dependent with endbr64 entries": ["-fno-pie", "-no-pie", "-fcf-protection=full"],
  "bound at start": ["-Wl,-z,now", "-Wl,-z,relro"],
  "bound lazily": ["-Wl,-z,lazy", "-Wl,-z,norelro"],
  "without a PLT": ["-fno-plt"],
  unoptimised: ["-O0"],
  "for size": ["-Os"],
  "with stack protector and zeroed registers": [
    "-O3",
    "-fstack-protector-all",
    "-fzero-call-used-regs=all",
    "-fstack-clash-protection",
  ],
  "without frame information": ["-fomit-frame-pointer", "-fno-asynchronous-unwind-tables", "-g0"],
  "with functions in sections of their own": ["-ffunction-sections", "-Wl,--gc-sections"],
  "linked statically": ["-static"],
  "linked statically, position independent": ["-static-pie"],
  "without a build-id": ["-Wl,--build-id=none"],
  "with compressed debug sections": ["-gz=zlib"],
};

for (const [make, flags] of Object.entries(makes)) {
  test(`every kind of function in an executable ${make}`, async () => {
    // Static executables have no __tls_get_addr unless they use it themselves.
    const isStatic = flags.some((flag) => flag.startsWith("-static"));
    const request = functionsUpdate(isStatic ? { flags: ["-ftls-model=initial-exec"] } : {});
    await withTarget(functionsProgram(flags), {}, (target) => roundTrip(target, request));
  });
}

for (const kind of ["debuglink", "debug-folder"] as const) {
  test(`static functions of a stripped executable (${kind})`, async () => {
    const complete = staticsProgram();
    await withTarget(stripped(complete, kind), {}, (target) =>
      roundTrip(target, staticsUpdate(complete)),
    );
  });
}

test("a stripped executable without debug file is refused by function name", async () => {
  await withTarget(stripped(basicProgram(), "bare"), {}, async (target) => {
    const error = await refused(apply(target.pid, basicUpdate()), "UNKNOWN_FUNCTION");
    assert.is(error.details.subject, "answer");
    await expectVersion(target, "old");
  });
});

test("an exported function of a stripped executable is found in .dynsym", async () => {
  const program = stripped(basicProgram(["-rdynamic"]), "bare");
  await withTarget(program, {}, (target) => roundTrip(target, basicUpdate()));
});

/** Runs a copy of the basic program, so that its file can be taken away. */
async function withCopy(
  body: (target: TargetProcess, path: string) => Promise<void>,
  name = "basic",
): Promise<void> {
  const folder = scratchFolder();
  const path = join(folder, name);
  copyFileSync(basicProgram(), path);
  try {
    await withTarget(path, {}, (target) => body(target, path));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

test("an executable whose name has spaces and letters beyond ASCII", async () => {
  await withCopy((target) => roundTrip(target, basicUpdate()), "мой servér (deleted) 服务");
});

test("an executable deleted from the disk", async () => {
  await withCopy(async (target, path) => {
    unlinkSync(path);
    const info = await engine.processInfo(target.pid);
    assert.is(info.exeDeleted, true);
    assert.is(info.exe, path);
    await roundTrip(target, basicUpdate());
  });
});

test("an executable replaced on the disk: the running one counts", async () => {
  await withCopy(async (target, path) => {
    const running = buildIdOf(path) ?? "";
    copyFileSync(functionsProgram(), `${path}.new`);
    renameSync(`${path}.new`, path);
    await refused(
      apply(target.pid, basicUpdate({ buildId: (buildIdOf(path) ?? "").slice(0, 8) })),
      "BUILD_ID_MISMATCH",
    );
    await roundTrip(target, basicUpdate({ buildId: running.slice(0, 8) }));
  });
});

test.run();

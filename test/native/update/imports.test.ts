// timeout 300s
/** What a patch may use of the running program: statics, libraries, IFUNCs, thread-local variables. */
import * as assert from "uvu/assert";
import { EngineError, type UpdateRequest } from "../../../native/engine.js";
import {
  apply,
  engine,
  expectVersion,
  roundTrip,
  withSession,
} from "../../support/engine_session.js";
import { test } from "../../support/engine_test.js";
import { buildPatch, simpleUpdate } from "../../support/patches.js";
import { mappings, writableCode } from "../../support/proc.js";
import {
  basicProgram,
  buildLibrary,
  functionsProgram,
  functionsUpdate,
  libraryProgram,
  libraryUpdate,
  staticsProgram,
  staticsUpdate,
  tlsProgram,
  tlsUpdate,
} from "../../support/programs.js";
import { buildTarget, type TargetProcess, withTarget } from "../../support/target_process.js";

/** For what may be a limit: it must work, or be refused with nothing changed. */
async function worksOrIsRefused(
  target: TargetProcess,
  update: UpdateRequest,
  codes: readonly string[],
): Promise<void> {
  try {
    await withSession(target.pid, (session) => session.verify(update));
  } catch (error) {
    if (!(error instanceof EngineError) || !codes.includes(error.code)) throw error;
    assert.is(await engine.status(target.pid), null);
    await expectVersion(target, "old");
    return;
  }
  await roundTrip(target, update);
}

test("functions of every calling kind", async () => {
  await withTarget(functionsProgram(), {}, (target) => roundTrip(target, functionsUpdate()));
});

test("static functions of one name in two files, static data, string constants", async () => {
  const program = staticsProgram();
  await withTarget(program, {}, (target) => roundTrip(target, staticsUpdate(program)));
});

test("only one of two static functions of a name is replaced", async () => {
  const program = staticsProgram();
  const request = simpleUpdate("one-of-two", buildPatch("statics.c"), [
    {
      function: "scale",
      in: { kind: "source", name: "statics_other.c" },
      with: "scale_there_new",
    },
  ]);
  await withTarget(program, {}, async (target) => {
    await apply(target.pid, request);
    await expectVersion(target, "new", ["there"]);
    await expectVersion(target, "old", ["here"]);
  });
});

for (const model of ["global-dynamic", "initial-exec"] as const) {
  test(`thread-local variables of the program and of a start-up library, ${model}`, async () => {
    await withTarget(tlsProgram(), {}, (target) =>
      roundTrip(target, tlsUpdate([`-ftls-model=${model}`])),
    );
  });
}

test("thread-local variables by descriptors (TLSDESC) work or are refused beforehand", async () => {
  await withTarget(tlsProgram(), {}, async (target) => {
    const update = tlsUpdate(["-mtls-dialect=gnu2"]);
    await worksOrIsRefused(target, update, ["PATCH_MALFORMED", "PATCH_HAS_TLS"]);
  });
});

test("functions of a library that the program is linked with", async () => {
  await withTarget(libraryProgram(), {}, (target) =>
    roundTrip(target, libraryUpdate({ plugin: false }), ["direct", "inner", "hidden"]),
  );
});

test("functions of libraries, one of them opened later", async () => {
  const args = [`--plugin=${buildLibrary("library_plugin")}`];
  await withTarget(libraryProgram(["-Wl,-z,lazy"]), { args }, (target) =>
    roundTrip(target, libraryUpdate({ plugin: true })),
  );
});

test("IFUNCs of libc and of the program, called and stored", async () => {
  await withTarget(buildTarget({ name: "ifunc" }), {}, async (target) => {
    const update = simpleUpdate("ifunc", buildPatch("ifunc.c"), ["digest"]);
    // Nobody has resolved all of them yet, and a look at the update does not either.
    await withSession(target.pid, (session) => session.verify(update));
    await roundTrip(target, update);
  });
});

test("IFUNCs in a static executable work or are refused beforehand", async () => {
  await withTarget(buildTarget({ name: "ifunc", flags: ["-static"] }), {}, async (target) => {
    const update = simpleUpdate("ifunc", buildPatch("ifunc.c"), ["digest"]);
    await worksOrIsRefused(target, update, ["UNRESOLVED_IMPORT"]);
  });
});

test("new functions, new data, relocated tables", async () => {
  await withTarget(basicProgram(), {}, async (target) => {
    await roundTrip(target, simpleUpdate("additions", buildPatch("additions.c"), ["answer"]));
  });
});

test("the image has code, constants and data apart, each with no more rights than it needs", async () => {
  await withTarget(basicProgram(), {}, async (target) => {
    const before = new Set(mappings(target.pid));
    await apply(target.pid, simpleUpdate("additions", buildPatch("additions.c"), ["answer"]));
    await expectVersion(target, "new");
    const rights = mappings(target.pid)
      .filter((line) => !before.has(line))
      .map((line) => line.split(" ")[1]);
    for (const needed of ["r-xp", "r--p", "rw-p"]) {
      assert.ok(rights.includes(needed), `no ${needed} among ${rights.join(" ")}`);
    }
    assert.equal(writableCode(target.pid), []);
  });
});

test.run();

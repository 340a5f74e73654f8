// timeout 240s
// may skip: only root may change to another user, and some kernels run no 32-bit programs
/** Bad input and processes that may not be touched: a clear refusal, and nothing is changed. */
import { spawn } from "node:child_process";
import * as assert from "uvu/assert";
import { EngineError, type UpdateRequest } from "../../../native/engine.js";
import * as bad from "../../support/bad_patches.js";
import {
  apply,
  engine,
  expectUntraced,
  expectVersion,
  refused,
  withSession,
} from "../../support/engine_session.js";
import { test } from "../../support/engine_test.js";
import { runOperation } from "../../support/operation.js";
import { buildPatch, simpleUpdate } from "../../support/patches.js";
import { childrenOf, mappings, readMemory, threadStates, writeMemory } from "../../support/proc.js";
import { basicProgram, basicUpdate, buildTracer, staticsProgram } from "../../support/programs.js";
import { buildTarget, sleep, TargetProcess, withTarget } from "../../support/target_process.js";
import { generatedSource, runTool } from "../../support/toolchain.js";
import { runsThirtyTwoBit, startThirtyTwoBit } from "../../support/thirty_two.js";

/** Requires that both verify and apply refuse, and that the target is as it was. */
async function refusedUnchanged(
  target: TargetProcess,
  update: UpdateRequest,
  codes: string | readonly string[],
  kinds: readonly EngineError["kind"][] = ["refused", "invalid"],
): Promise<EngineError> {
  const before = mappings(target.pid);
  const errors: EngineError[] = [];
  for (const attempt of [
    () => withSession(target.pid, (session) => session.verify(update)),
    () => apply(target.pid, update),
  ]) {
    const outcome: unknown = await attempt().then(
      () => undefined,
      (error: unknown) => error,
    );
    const kind = outcome instanceof EngineError ? outcome.kind : "refused";
    assert.ok(kinds.includes(kind), `kind ${kind}`);
    errors.push(await refused(outcome ? Promise.reject(outcome) : Promise.resolve(), codes, kind));
  }
  assert.equal(mappings(target.pid), before, "memory was mapped");
  assert.is(await engine.status(target.pid), null, "a record was left");
  await expectVersion(target, "old");
  expectUntraced(target);
  const [error] = errors;
  if (error === undefined) throw new Error("unreachable");
  return error;
}

function badPatch(
  name: string,
  object: () => string | Uint8Array,
  codes: string | readonly string[],
  look: (error: EngineError) => void = () => undefined,
): void {
  test(`a patch ${name} is refused`, async () => {
    await withTarget(basicProgram(), {}, async (target) => {
      look(await refusedUnchanged(target, simpleUpdate("bad", object(), ["answer"]), codes));
    });
  });
}

badPatch("for another machine", bad.otherMachine, "PATCH_WRONG_ARCHITECTURE");
badPatch("of 32 bits", bad.otherClass, ["PATCH_WRONG_ARCHITECTURE", "PATCH_MALFORMED"]);
badPatch("that is no shared object", bad.notShared, "PATCH_MALFORMED");
badPatch("that is empty", () => new Uint8Array(0), "PATCH_MALFORMED");
badPatch("of noise", () => bad.noise(1, 20_000, false), "PATCH_MALFORMED");
badPatch("of noise behind a good header", () => bad.noise(2, 20_000, true), "PATCH_MALFORMED");
for (const part of [1, 63, 64, 500, bad.goodSize() >> 2]) {
  badPatch(`cut after ${part} bytes`, () => bad.truncated(part), "PATCH_MALFORMED");
}

badPatch(
  "with a missing import",
  () =>
    bad.inlinePatch("missing", "long nowhere(long); long answer(long x) { return nowhere(x); }"),
  "UNRESOLVED_IMPORT",
  (error) => assert.is(error.details.subject, "nowhere"),
);
badPatch(
  "with a missing static variable",
  () =>
    bad.inlinePatch(
      "missing_static",
      'extern long v __asm__("v$basic.c"); long answer(long x) { return v + x; }',
    ),
  "UNRESOLVED_IMPORT",
);
badPatch(
  "with thread-local storage of its own",
  () => bad.inlinePatch("own_tls", "__thread long t; long answer(long x) { return t += x; }"),
  "PATCH_HAS_TLS",
);
badPatch(
  "with a constructor",
  () =>
    bad.inlinePatch(
      "constructor",
      "long n; __attribute__((constructor)) static void c(void) { n = 5; } long answer(long x) { return x + n; }",
    ),
  "PATCH_HAS_CONSTRUCTORS",
);
badPatch(
  "that lacks the function",
  () => bad.inlinePatch("lacking", "long another(long x) { return x; }"),
  "PATCH_LACKS_FUNCTION",
  (error) => assert.is(error.details.subject, "answer"),
);
badPatch(
  "whose `answer` is a variable",
  () => bad.inlinePatch("variable", "long answer = 5;"),
  "PATCH_LACKS_FUNCTION",
);

test("corrupted patches never bring us down, and verify writes nothing", async () => {
  await withTarget(basicProgram(), {}, async (target) => {
    const before = mappings(target.pid);
    let refusals = 0;
    await withSession(target.pid, async (session) => {
      for (let seed = 1; seed <= 150; seed++) {
        try {
          await session.verify(simpleUpdate(`corrupt-${seed}`, bad.corrupted(seed), ["answer"]));
        } catch (error) {
          if (!(error instanceof EngineError)) throw error;
          assert.ok(["refused", "invalid"].includes(error.kind), error.message);
          refusals++;
        }
      }
    });
    assert.ok(refusals > 20, `only ${refusals} were refused`);
    assert.equal(mappings(target.pid), before);
    await expectVersion(target, "old");
  });
});

test("an unknown function is refused with the nearest names", async () => {
  await withTarget(basicProgram(), {}, async (target) => {
    const update = simpleUpdate("typo", buildPatch("basic.c"), [
      { function: "anwser", with: "answer" },
    ]);
    const error = await refusedUnchanged(target, update, "UNKNOWN_FUNCTION", ["refused"]);
    assert.is(error.details.subject, "anwser");
    assert.ok(error.details.candidates?.includes("answer"), "did you mean: answer");
  });
});

test("one unknown function among many refuses the whole update", async () => {
  await withTarget(basicProgram(), {}, async (target) => {
    const update = simpleUpdate("half", buildPatch("basic.c"), [
      "answer",
      { function: "no_such_function", with: "answer_third" },
    ]);
    await refusedUnchanged(target, update, "UNKNOWN_FUNCTION", ["refused"]);
  });
});

test("a variable cannot be replaced", async () => {
  await withTarget(basicProgram(), {}, async (target) => {
    const update = simpleUpdate("variable", buildPatch("basic.c"), [
      { function: "sink", with: "answer" },
    ]);
    await refusedUnchanged(target, update, "UNKNOWN_FUNCTION", ["refused"]);
  });
});

test("an ambiguous static function is refused with its files", async () => {
  await withTarget(staticsProgram(), {}, async (target) => {
    const update = simpleUpdate("ambiguous", buildPatch("statics.c"), [
      { function: "scale", with: "scale_here_new" },
    ]);
    const error = await refusedUnchanged(target, update, "AMBIGUOUS_FUNCTION", ["refused"]);
    assert.is(error.details.subject, "scale");
    const said = `${error.message} ${error.details.help ?? ""} ${error.details.candidates?.join(" ")}`;
    assert.match(said, /statics\.c/);
    assert.match(said, /statics_other\.c/);
  });
});

test("a function that is in another file than named is refused", async () => {
  await withTarget(staticsProgram(), {}, async (target) => {
    const update = simpleUpdate("elsewhere", buildPatch("statics.c"), [
      { function: "greet", in: { kind: "source", name: "statics_other.c" } },
    ]);
    await refusedUnchanged(target, update, "UNKNOWN_FUNCTION", ["refused"]);
  });
});

test("an ambiguous import is refused", async () => {
  // Two files of one base name, each with a static `weight`.
  const part = (which: string, weight: number): string =>
    generatedSource(
      "part.c",
      `static long weight = ${weight};
       __attribute__((noipa)) long weigh_${which}(long x);
       __attribute__((noipa)) long weigh_${which}(long x) { return *(volatile long *)&weight * x; }`,
    );
  const program = buildTarget({
    name: "basic",
    sources: ["basic.c", part("one", 1), part("two", 2)],
  });
  const object = bad.inlinePatch(
    "ambiguous_import",
    'extern long w __asm__("weight$part.c"); long answer(long x) { return w + x; }',
  );
  await withTarget(program, {}, async (target) => {
    await refusedUnchanged(
      target,
      simpleUpdate("ambiguous", object, ["answer"]),
      "AMBIGUOUS_IMPORT",
    );
  });
});

test("an entry that somebody else has changed is left alone", async () => {
  // A function that this target never calls, so that nonsense may stand in it.
  const idle = "target_no_eintr";
  const program = basicProgram(["-fno-pie", "-no-pie"]);
  const found = new RegExp(`^([0-9a-f]+) T ${idle}$`, "m").exec(runTool("nm", [program]));
  const entry = Number.parseInt(found?.[1] ?? "", 16);
  await withTarget(program, {}, async (target) => {
    const foreign = Buffer.from([0xe9, 1, 2, 3, 4]);
    writeMemory(target.pid, entry, foreign);
    const update = simpleUpdate("foreign", buildPatch("basic.c"), [
      { function: idle, with: "answer" },
    ]);
    await refused(apply(target.pid, update), "ENTRY_CHANGED");
    assert.equal(readMemory(target.pid, entry, foreign.length), foreign);
    await expectVersion(target, "old");
    expectUntraced(target);
  });
});

test("a process that has ended and that nobody has waited for", async () => {
  const parent = spawn("sh", ["-c", "true & exec sleep 20"], { stdio: "ignore" });
  const exited = new Promise((resolve) => parent.on("exit", resolve));
  try {
    const zombie = await firstZombieOf(parent.pid ?? 0);
    await refused(engine.processInfo(zombie), "NO_SUCH_PROCESS");
    await refused(apply(zombie, basicUpdate()), "NO_SUCH_PROCESS");
  } finally {
    parent.kill("SIGKILL");
    await exited;
  }
});

async function firstZombieOf(parent: number): Promise<number> {
  const deadline = Date.now() + 5000;
  for (;;) {
    const zombie = childrenOf(parent).find((pid) => threadStates(pid).includes("Z"));
    if (zombie !== undefined) return zombie;
    if (Date.now() > deadline) throw new Error("the child did not end");
    await sleep(10);
  }
}

test("a process that is not there", async () => {
  const child = spawn("true", { stdio: "ignore" });
  const pid = child.pid ?? 0;
  await new Promise((resolve) => child.on("exit", resolve));
  await refused(engine.processInfo(pid), "NO_SUCH_PROCESS");
  await refused(apply(pid, basicUpdate()), "NO_SUCH_PROCESS");
});

test("a kernel thread", async () => {
  await refused(engine.processInfo(2), "KERNEL_THREAD");
  await refused(apply(2, basicUpdate()), "KERNEL_THREAD");
});

test("our own process", async () => {
  await refused(engine.processInfo(process.pid), "OWN_PROCESS");
  await refused(apply(process.pid, basicUpdate()), "OWN_PROCESS");
});

test("a process that is traced already: the tracer is named", async () => {
  await withTarget(basicProgram(), {}, async (target) => {
    const tracer = await TargetProcess.start(buildTracer("saboteur"), {
      args: ["hold", String(target.pid)],
    });
    try {
      const error = await refused(apply(target.pid, basicUpdate()), "ALREADY_TRACED");
      assert.ok(error.message.includes(String(tracer.pid)), error.message);
    } finally {
      await tracer.kill();
    }
    await expectVersion(target, "old");
    await apply(target.pid, basicUpdate());
    await expectVersion(target, "new");
  });
});

test.asRoot("a process of another user", async () => {
  await withTarget(basicProgram(), {}, async (target) => {
    const ending = await runOperation({
      operation: "apply",
      pids: [target.pid],
      user: 65534,
      update: {
        name: "basic",
        scope: "process",
        patches: [{ name: "basic", object: buildPatch("basic.c"), replacements: ["answer"] }],
      },
    });
    if (ending.report?.result !== "error") throw new Error("was not refused");
    assert.is(ending.report.code, "PERMISSION");
    assert.is(ending.report.kind, "refused");
    await expectVersion(target, "old");
    expectUntraced(target);
  });
});

test.where(runsThirtyTwoBit, "a 32-bit process", async () => {
  const target = await startThirtyTwoBit();
  try {
    await refused(apply(target.pid, basicUpdate()), "WRONG_ARCHITECTURE");
    assert.ok(target.alive());
  } finally {
    await target.end();
  }
});

test.run();

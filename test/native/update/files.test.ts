/** What is learnt from files alone, and of the machine, without touching a process. */
import * as assert from "uvu/assert";
import { engine } from "../../support/engine_session.js";
import { test } from "../../support/engine_test.js";
import { inlinePatch, otherMachine } from "../../support/bad_patches.js";
import { buildPatch, simpleUpdate } from "../../support/patches.js";
import {
  basicProgram,
  basicUpdate,
  functionsProgram,
  functionsUpdate,
  staticsProgram,
  staticsUpdate,
} from "../../support/programs.js";
import { buildIdOf, stripped } from "../../support/toolchain.js";

test("a good update of a file has no problems", async () => {
  const verified = await engine.verifyFile(basicProgram(), basicUpdate());
  assert.equal(verified.problems, []);
  assert.is(verified.functions, 1);
});

test("imports of libraries are left for the process, those of the program are resolved", async () => {
  const verified = await engine.verifyFile(functionsProgram(), functionsUpdate());
  assert.equal(verified.problems, []);
  assert.is(verified.functions, 11);
  assert.ok(verified.deferred.includes("longjmp"), verified.deferred.join(" "));
  assert.not.ok(
    verified.deferred.some((name) => name.includes("$")),
    verified.deferred.join(" "),
  );
});

test("static functions and data are found by their files, also through a debug file", async () => {
  const program = staticsProgram();
  for (const file of [program, stripped(program, "debuglink")]) {
    const verified = await engine.verifyFile(file, staticsUpdate(program));
    assert.equal(verified.problems, []);
    assert.is(verified.functions, 4);
  }
});

test("all problems are told at once", async () => {
  const object = inlinePatch(
    "several_problems",
    'extern long v __asm__("v$basic.c"); long answer(long x) { return v + x; } long b(long x) { return x; }',
  );
  const update = simpleUpdate(
    "several",
    object,
    ["answer", { function: "nowhere", with: "b" }, { function: "main", with: "missing" }],
    { buildId: "0000000000" },
  );
  const { problems } = await engine.verifyFile(basicProgram(), update);
  const codes = problems.map((problem) => problem.code);
  for (const code of ["BUILD_ID_MISMATCH", "UNKNOWN_FUNCTION", "PATCH_LACKS_FUNCTION"]) {
    assert.ok(codes.includes(code), `${code} is not among ${codes.join(" ")}`);
  }
});

test("a patch for another machine is a problem of the file too", async () => {
  const update = simpleUpdate("foreign", otherMachine(), ["answer"]);
  const { problems } = await engine.verifyFile(basicProgram(), update);
  assert.equal(
    problems.map((problem) => problem.code),
    ["PATCH_WRONG_ARCHITECTURE"],
  );
});

test("the build-id's prefix is compared", async () => {
  const buildId = (buildIdOf(basicProgram()) ?? "").slice(0, 10);
  const { problems } = await engine.verifyFile(basicProgram(), basicUpdate({ buildId }));
  assert.equal(problems, []);
});

test("an ambiguous function is told with its files", async () => {
  const update = simpleUpdate("ambiguous", buildPatch("statics.c"), [
    { function: "scale", with: "scale_here_new" },
  ]);
  const { problems } = await engine.verifyFile(staticsProgram(), update);
  assert.ok(problems.some((problem) => problem.code === "AMBIGUOUS_FUNCTION"));
});

test("the machine is examined", async () => {
  const findings = await engine.doctor();
  assert.ok(findings.length >= 3);
  for (const finding of findings) {
    assert.ok(finding.topic !== "" && finding.text !== "");
    if (finding.verdict !== "ok") assert.ok(finding.help, `${finding.topic} gives no help`);
  }
});

test.run();

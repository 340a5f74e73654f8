/** Patches that call the version below them. */
import * as assert from "uvu/assert";
import { apply, engine, expectVersion, rollback } from "../../support/engine_session.js";
import { test } from "../../support/engine_test.js";
import { buildPatch, simpleUpdate } from "../../support/patches.js";
import { basicProgram } from "../../support/programs.js";
import { withTarget } from "../../support/target_process.js";

const object = buildPatch("previous.c");

test("the version below is the program's own, or an earlier update's", async () => {
  await withTarget(basicProgram(), {}, async (target) => {
    const one = simpleUpdate("one", object, ["answer"]);
    // The same object: it is loaded once more, since below it stands another function.
    const two = simpleUpdate("two", object, ["answer"]);
    for (let round = 0; round < 2; round++) {
      await apply(target.pid, one);
      await expectVersion(target, "new");
      await apply(target.pid, two);
      await expectVersion(target, "newer");
      await rollback(target.pid);
      await expectVersion(target, "new");
      await rollback(target.pid);
      await expectVersion(target, "old");
      await apply(target.pid, two);
      await expectVersion(target, "new");
      await rollback(target.pid);
      await expectVersion(target, "old");
    }
  });
});

test("a file is enough to see whether there is such a function", async () => {
  const program = basicProgram();
  const { problems } = await engine.verifyFile(program, simpleUpdate("one", object, ["answer"]));
  assert.equal(problems, []);
  const wrong = buildPatch("previous_wrong.c");
  const checked = await engine.verifyFile(program, simpleUpdate("one", wrong, ["answer"]));
  assert.equal(
    checked.problems.map(({ code }) => code),
    ["UNKNOWN_FUNCTION"],
  );
});

test.run();

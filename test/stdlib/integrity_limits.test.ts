/** std/integrity on updated programs, in scripts that fail, and where it must not repair. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  assertCompleted,
  assertFailed,
  assertQuiet,
  changesOf,
  withPatient,
} from "./recipe_run.js";

const restoreCode = `import "std/integrity" restore_code()`;

const newAnswer = `update newer "answers anew" {
  target { exe "integrity" }
  patch p {
    c { int answer(int plus) { return 77 + plus; } }
    replace answer
  }
}
`;

test("what POLUS changed is expected, and put back when somebody takes it out", async () => {
  await withPatient("integrity", async ({ target, run }) => {
    const applied = await run(`${newAnswer}`);
    assert.is(applied.done.outcome, "applied", applied.finished.stderr);
    assert.is((await target.ask("look"))["answer"], 77);
    assertQuiet(await run(restoreCode));
    assert.is((await target.ask("unhook"))["answer"], 42);
    const done = await run(restoreCode);
    assertCompleted(done);
    assert.is(changesOf(done).length, 1);
    assert.is((await target.ask("look"))["answer"], 77);
    // Rolled back, the jump is still there and still expected.
    const script = `${newAnswer} rollback to newer.start apply newer rollback to newer.start`;
    const rolled = await run(script);
    assert.is(rolled.code, 0, rolled.finished.stderr);
    assert.is((await target.ask("look"))["answer"], 42);
    assertQuiet(await run(restoreCode));
  });
});

test("a script that fails puts back the damage that it had repaired", async () => {
  await withPatient("integrity", async ({ target, run }) => {
    await target.ask("code");
    const done = await run(`${restoreCode} assert answer == NULL, "on purpose"`);
    assertFailed(done, "assertion-failed");
    assert.is(changesOf(done).length, 1);
    assert.is((await target.ask("look"))["answer"], 13);
  });
});

test("code is set to what its file holds only", async () => {
  await withPatient("integrity", async ({ target, run }) => {
    const wrong = await run(`set bytes(&answer, 8) = disk((unsigned long)&answer + 8, 8)`);
    assert.is(wrong.done.outcome, "refused", wrong.finished.stderr);
    assert.is((await target.ask("look"))["answer"], 42);
    await target.ask("code");
    const byte = await run(`set *(unsigned char *)&answer = 144`);
    assert.is(byte.done.outcome, "refused", byte.finished.stderr);
    assert.is((await target.ask("look"))["answer"], 13);
  });
});

test("bytes(…) as a place takes any bytes into data", async () => {
  await withPatient("integrity", async ({ run }) => {
    const done = await run(
      `set bytes(&data, 4) = disk(&answer, 4)
       assert bytes(&data, 4) == disk(&answer, 4) && data[1] == 0, "copied"`,
    );
    assertCompleted(done);
    const long = await run(`set bytes(&data, 2) = disk(&answer, 4)`);
    assertFailed(long, "text-too-long");
  });
});

test.run();

/** std/strings on a program whose texts have lost their ends. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  assertCompleted,
  assertFailed,
  assertQuiet,
  changesOf,
  warningsOf,
  withPatient,
} from "./recipe_run.js";

const all = `import "std/strings"
  terminate_all(users, name)
  terminate(texts.banner, sizeof(texts.banner))
  terminate(heap, 24)
  replace_endless(texts.path, "/default")`;

test("texts that end are left alone, also while they are written", async () => {
  await withPatient("strings", async ({ target, run }) => {
    const before = await target.ask("look");
    assertQuiet(await run(all));
    await target.ask("busy 1");
    for (let turn = 0; turn < 5; turn++) assertQuiet(await run(all));
    await target.ask("busy 0");
    assert.equal(await target.ask("look"), before);
  });
});

test("texts without an end get one, in arrays, tables and on the heap", async () => {
  await withPatient("strings", async ({ target, run }) => {
    await target.ask("fill users");
    await target.ask("fill banner");
    await target.ask("fill heap");
    const damaged = await target.ask("fill path");
    assert.equal(damaged, { user: 22, banner: 64 + 32 + 5, path: 32 + 5, heap: 24 + 6 });
    for (const text of ["users[2].name", "texts.banner"]) {
      assertFailed(
        await run(`import "std/strings" assert is_terminated(${text}, sizeof(${text}))`),
        "assertion-failed",
      );
    }
    const repaired = await run(all);
    assertCompleted(repaired);
    assert.is(changesOf(repaired).length, 4);
    assert.is(warningsOf(repaired).length, 4);
    const healthy = { user: 15, banner: 63, path: "/default".length, heap: 23 };
    assert.equal(await target.ask("look"), healthy);
    assertQuiet(await run(all));
  });
});

test("a text that is too long to be put instead is refused, and nothing is cut", async () => {
  await withPatient("strings", async ({ target, run }) => {
    await target.ask("fill path");
    const refused = await run(`import "std/strings"
      replace_endless(texts.path, "/a/path/that/is/too/long/for/the/array/it/should/go/into")`);
    assertFailed(refused, "text-too-long");
    assert.is((await target.ask("look"))["path"], 37);
  });
});

test.run();

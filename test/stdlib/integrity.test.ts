/** std/integrity on a program whose code, imports and function pointers are damaged. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { assertCompleted, assertQuiet, changesOf, warningsOf, withPatient } from "./recipe_run.js";

const restoreCode = `import "std/integrity" restore_code()`;
const restoreImports = `import "std/integrity" restore_imports()`;
const leadToCode = `import "std/integrity" lead_to_code(handler, &usual)`;

const healthy = { answer: 42, upper: "A", handled: 7 };

function assertHealthy(state: Readonly<Record<string, unknown>>): void {
  for (const [name, value] of Object.entries(healthy)) assert.is(state[name], value, name);
}

test("restore_code puts a changed instruction back, and leaves sound code alone", async () => {
  await withPatient("integrity", async ({ target, run }) => {
    assertQuiet(await run(restoreCode));
    await target.ask("code");
    assert.is((await target.ask("look"))["answer"], 13);
    const done = await run(restoreCode);
    assertCompleted(done);
    assert.is(changesOf(done).length, 1);
    assert.is(warningsOf(done).length, 1);
    assertHealthy(await target.ask("look"));
    assertQuiet(await run(restoreCode));
  });
});

test("restore_imports leads an import back, and is quiet on bound and unbound ones", async () => {
  await withPatient("integrity", async ({ target, run }) => {
    assertQuiet(await run(restoreImports));
    assertHealthy(await target.ask("look"));
    assertQuiet(await run(restoreImports));
    assert.is((await target.ask("import"))["upper"], "!");
    const done = await run(restoreImports);
    assertCompleted(done);
    assert.is(changesOf(done).length, 1);
    assert.is(warningsOf(done).length, 1);
    assertHealthy(await target.ask("look"));
  });
});

test("lead_to_code sets a pointer that leads into data, not NULL, not a sound one", async () => {
  await withPatient("integrity", async ({ target, run }) => {
    assertQuiet(await run(leadToCode));
    await target.ask("forget");
    assertQuiet(await run(leadToCode));
    assert.is((await target.ask("handler"))["handled"], -1);
    const done = await run(leadToCode);
    assertCompleted(done);
    assert.is(changesOf(done).length, 1);
    assertHealthy(await target.ask("look"));
  });
});

test.run();

/** std/lists on a program whose lists are damaged, and on one that keeps changing sound ones. */
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

const elements = 12;
const whole = {
  jobs: elements,
  onward: elements,
  backward: elements,
  around: elements,
  backAround: elements,
};
const mendAll = `import "std/lists"
  mend_end(jobs, next, NULL)
  mend_end(sessions, next, NULL)
  mend_end(&ring, entry.next, &ring)
  mend_back_links(sessions, next, prev, NULL)
  mend_back_links(&ring, entry.next, entry.prev, &ring)
  assert list_ends(jobs, next, NULL)
  assert list_ends(&ring, entry.next, &ring)`;

test("sound lists are left alone, also while the program changes them", async () => {
  await withPatient("lists", async ({ target, run }) => {
    assertQuiet(await run(mendAll));
    assert.equal(await target.ask("look"), whole);
    await target.ask("busy 1");
    for (let turn = 0; turn < 5; turn++) assertQuiet(await run(mendAll));
    assert.equal(await target.ask("busy 0"), whole);
  });
});

test("circles and wild links are cut, so that the program's walks end", async () => {
  await withPatient("lists", async ({ target, run }) => {
    const damaged = await target.ask("circle 11");
    assert.is(damaged["jobs"], 100);
    assertFailed(
      await run(`import "std/lists" assert list_ends(jobs, next, NULL)`),
      "assertion-failed",
    );
    const cut = await run(mendAll);
    assertCompleted(cut);
    assert.is(changesOf(cut).length, 1);
    assert.is(warningsOf(cut).length, 1);
    assert.equal(await target.ask("look"), whole);

    // What lay behind the damage is lost to the list.
    assert.is((await target.ask("wild 6"))["jobs"], -1);
    assertCompleted(await run(mendAll));
    assert.equal(await target.ask("look"), { ...whole, jobs: 7 });

    assert.is((await target.ask("open 11"))["around"], 100);
    assertCompleted(await run(mendAll));
    assert.equal(await target.ask("look"), { ...whole, jobs: 7 });
    assertQuiet(await run(mendAll));
  });
});

test("back links are mended, and the program goes on with them", async () => {
  await withPatient("lists", async ({ target, run }) => {
    const damaged = await target.ask("back 5");
    assert.is(damaged["backward"], 100);
    assert.is((await target.ask("ringback 3"))["backAround"], 9);
    const mended = await run(mendAll);
    assertCompleted(mended);
    assert.is(changesOf(mended).length, 2);
    assert.equal(await target.ask("look"), whole);
    await target.ask("busy 1");
    assertQuiet(await run(mendAll));
    assert.equal(await target.ask("busy 0"), whole);
  });
});

test("back links of a list without an end are not guessed at", async () => {
  await withPatient("lists", async ({ target, run }) => {
    const { around } = await target.ask("open 11");
    assert.is(around, 100);
    const refused = await run(
      `import "std/lists" mend_back_links(&ring, entry.next, entry.prev, &ring)`,
    );
    assertFailed(refused, "script-failed");
    assert.equal(changesOf(refused), []);
  });
});

test("contains tells what is in a list", async () => {
  await withPatient("lists", async ({ run }) => {
    assertQuiet(
      await run(`import "std/lists"
        assert contains(list(jobs, next), jobs->next)
        assert !contains(list(jobs->next, next), jobs)`),
    );
  });
});

test.run();

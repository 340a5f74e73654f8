/** std/waits on a program that comes to rest, and on one that does not. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { sleep } from "../support/target_process.js";
import { assertCompleted, assertFailed, assertQuiet, withPatient } from "./recipe_run.js";

const drain = `import "std/waits" drain(in_progress, 50ms, 5s)`;
const drainShort = `import "std/waits" drain(in_progress, 300ms, 450ms)`;
const quiesce = `import "std/waits" quiesce(handle_request, 100ms, 5s)`;
const quiesceShort = `import "std/waits" quiesce(handle_request, 300ms, 450ms)`;

test("a program without work is at rest, and nothing is done to it", async () => {
  await withPatient("waits", async ({ target, run }) => {
    await target.ask("load 0");
    await sleep(50);
    const before = await target.ask("look");
    assertQuiet(await run(drain));
    assertQuiet(await run(quiesce));
    assert.equal(await target.ask("look"), before);
  });
});

test("drain and quiesce wait for what is in progress, and give up in time", async () => {
  await withPatient("waits", async ({ target, run }) => {
    assertFailed(await run(drainShort), "script-failed");
    assertFailed(await run(quiesceShort), "script-failed");
    const later = sleep(500).then(() => target.ask("load 0"));
    assertQuiet(await run(drain));
    await later;
    assertQuiet(await run(quiesce));
    const { handled } = await target.ask("load 1");
    await sleep(50);
    assert.ok(Number((await target.ask("look"))["handled"]) > Number(handled));
  });
});

test("a worker that stays inside is seen; when it leaves, the wait ends", async () => {
  await withPatient("waits", async ({ target, run }) => {
    await target.ask("stick 1");
    await sleep(50);
    await target.ask("load 0");
    assertFailed(await run(drainShort), "script-failed");
    assertFailed(await run(quiesceShort), "script-failed");
    const seen = await run(`import "std/waits"
      print threads_inside(handle_request)
      for t in threads() { if (is_inside(t, handle_request)) { print t.name } }`);
    assertCompleted(seen);
    assert.equal(
      seen.prints.map(({ values }) => values[0]?.text),
      ["3", ...Array(3).fill("waits")],
    );
    const later = sleep(500).then(() => target.ask("stick 0"));
    assertQuiet(await run(quiesce));
    await later;
    assertQuiet(await run(drain));
  });
});

test("a counter that was never counted down is mended by recount, and then drains", async () => {
  await withPatient("waits", async ({ target, run }) => {
    await target.ask("load 0");
    await target.ask("forget 2");
    assertFailed(await run(drainShort), "script-failed");
    const mended = await run(`import "std/counters" import "std/waits"
      recount(in_progress, threads_inside(handle_request), 100ms)
      drain(in_progress, 50ms, 5s)`);
    assertCompleted(mended);
    assert.is((await target.ask("look"))["inProgress"], 0);
  });
});

test.run();

/** std/threads on workers that do their work, and on some that get stuck in a request. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { sleep } from "../support/target_process.js";
import {
  assertCompleted,
  assertFailed,
  assertQuiet,
  warningsOf,
  withPatient,
} from "./recipe_run.js";

const count = `import "std/threads" print stuck_threads(handle_request, 1s)`;
const free = (remedy: string): string =>
  `import "std/threads" free_stuck(handle_request, 700ms, ${remedy})`;

test("workers that come and go are not stuck, and nothing is done to them", async () => {
  await withPatient("threads", async ({ target, run }) => {
    await sleep(50);
    const counted = await run(count);
    assertCompleted(counted);
    assert.is(counted.prints[0]?.values[0]?.text, "0");
    assertQuiet(await run(free("cancelled, 1")));
    assert.is((await target.ask("look"))["cancelled"], 0);
  });
});

for (const [fault, name] of [
  ["wait", "waits"],
  ["spin", "spins"],
] as const) {
  test(`a worker that ${name} for ever is found, and freed by what ends its request`, async () => {
    await withPatient("threads", async ({ target, run }) => {
      await target.ask(`${fault} 1`);
      await sleep(50);
      const counted = await run(count);
      assertCompleted(counted);
      assert.is(counted.prints[0]?.values[0]?.text, "1");
      const freed = await run(free("cancelled, 1"));
      // The fault is still planted: who is freed gets stuck again as soon as the flag is back.
      assertCompleted(freed);
      assert.equal(warningsOf(freed), ["threads were stuck in a function"]);
      await target.ask(`${fault} 0`);
      await sleep(50);
      const before = Number((await target.ask("look"))["handled"]);
      await sleep(50);
      const after = await target.ask("look");
      assert.ok(Number(after["handled"]) > before);
      assert.is(after["cancelled"], 0);
    });
  });
}

test("a remedy that does not help is taken back, and the script fails", async () => {
  await withPatient("threads", async ({ target, run }) => {
    await target.ask("wait 1");
    await sleep(50);
    assertFailed(await run(free("cancelled, 0")), "script-failed");
    assert.is((await target.ask("look"))["cancelled"], 0);
  });
});

test.run();

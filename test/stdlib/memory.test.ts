/** std/memory on a program that leaks, and on one that only takes and gives back. */
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

const grows = `import "std/memory" print grows(memory().data, 1MiB, 900ms)`;
const small = `import "std/memory" set kept = kept + 0  stay_small(memory().data, 1MiB, 900ms)`;
const trim = `import "std/memory" trim_heap(20MiB)`;

test("memory that is taken and given back does not grow, and is left alone", async () => {
  await withPatient("memory", async ({ run }) => {
    await sleep(100);
    const looked = await run(grows);
    assertCompleted(looked);
    assert.is(looked.prints[0]?.values[0]?.text, "0");
    assertQuiet(await run(small));
    assertQuiet(await run(trim));
  });
});

test("a leak is found", async () => {
  await withPatient("memory", async ({ target, run }) => {
    await target.ask("leak 64");
    const looked = await run(grows);
    assertCompleted(looked);
    assert.is(looked.prints[0]?.values[0]?.text, "1");
    assertFailed(await run(small), "script-failed");
    const counter = await run(`import "std/memory" print grows(kept, 1000000, 900ms)`);
    assert.is(counter.prints[0]?.values[0]?.text, "1");
  });
});

test("an update that leaks is taken back", async () => {
  await withPatient("memory", async ({ run }) => {
    await sleep(100);
    const leaky = await run(`import "std/memory"
      update leaky {
        patch p {
          c {
            extern void *malloc(unsigned long);
            void target_sleep_us(long us) {
              volatile char *more = malloc(200000);
              for (long i = 0; more && i < 200000; i += 4096) more[i] = 1;
              for (volatile long i = 0; i < us * 300; i++) continue;
            }
          }
          replace target_sleep_us
        }
      }
      apply leaky
      stay_small(memory().data, 1MiB, 900ms)`);
    assertFailed(leaky, "script-failed");
    const after = await run(grows);
    assert.is(after.prints[0]?.values[0]?.text, "0");
  });
});

test("a heap that keeps what was freed is trimmed", async () => {
  await withPatient("memory", async ({ target, run }) => {
    await target.ask("hoard 40");
    const trimmed = await run(trim);
    assertCompleted(trimmed);
    assert.is(
      warningsOf(trimmed).at(-1),
      "more memory was in use than allowed: the heap was trimmed",
    );
    assertQuiet(await run(trim));
  });
});

test.run();

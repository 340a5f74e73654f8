// timeout 300s
/** Updates while threads are blocked in every kind of system call: none may notice. */
import * as assert from "uvu/assert";
import { apply, expectVersion, rollback, roundTrip } from "../../support/engine_session.js";
import { test } from "../../support/engine_test.js";
import { basicUpdate, basicUpdateThird, blockedProgram } from "../../support/programs.js";
import { sleep, withTarget } from "../../support/target_process.js";

test("no blocked call notices an update or its rollback", async () => {
  await withTarget(blockedProgram(), {}, async (target) => {
    await roundTrip(target, basicUpdate());
    const before = await target.state();
    await sleep(700);
    const after = await target.state();
    for (const [kind, waits] of Object.entries(after.counters)) {
      assert.ok(waits > (before.counters[kind] ?? 0), `${kind} does not go on`);
    }
  });
});

test("not by any of several programs, each interrupted for the first time", async () => {
  for (let round = 0; round < 5; round++) {
    await withTarget(blockedProgram(), {}, async (target) => {
      await sleep(30 * round);
      await apply(target.pid, basicUpdate());
      await apply(target.pid, basicUpdateThird());
      await rollback(target.pid);
      await rollback(target.pid);
      await expectVersion(target, "old");
    });
  }
});

for (const kind of ["epoll_signal", "epoll_pwait", "sigsuspend"]) {
  test(`real signals still interrupt ${kind} while updates come and go`, async () => {
    await withTarget(blockedProgram(), { args: [`--only=${kind}`] }, async (target) => {
      for (let round = 0; round < 10; round++) {
        await apply(target.pid, basicUpdate({ name: `round-${round}` }));
        await rollback(target.pid);
      }
      const before = await target.state();
      await sleep(600);
      const after = await target.state();
      assert.ok((after.counters[kind] ?? 0) >= (before.counters[kind] ?? 0) + 2);
    });
  });
}

test.run();

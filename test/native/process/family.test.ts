/** Children of a process, while others of its children and its threads end. */
import * as assert from "uvu/assert";
import { childrenOf, descendantsOf } from "../../../native/process/family.js";
import { listPids, readStat, readThreadName } from "../../../native/process/proc.js";
import { test } from "../../support/engine_test.js";
import { buildTarget, sleep, withTarget } from "../../support/target_process.js";

const program = buildTarget({ name: "brood" });
const rounds = 24;

test("no child is missed while those before it are reaped", async () => {
  await withTarget(program, {}, async (target) => {
    const staying = new Set<number>();
    const until = Date.now() + 60_000;
    while (staying.size < rounds && Date.now() < until) {
      for (const pid of listPids()) {
        if (staying.has(pid) || readThreadName(pid, pid) !== "staying") continue;
        if (readStat(pid)?.parent === target.pid) staying.add(pid);
      }
      for (let look = 0; look < 10; look++) {
        const found = look === 0 ? descendantsOf(target.pid) : childrenOf(target.pid);
        assert.equal(
          [...staying].filter((pid) => !found.includes(pid)),
          [],
        );
      }
      await sleep(10);
    }
    assert.is(staying.size, rounds);
    assert.is((await target.state()).counters["staying"], rounds);
  });
});

test("of a process that does not exist", () => {
  assert.equal(descendantsOf(2 ** 22 + 1), []);
  assert.equal(childrenOf(2 ** 22 + 1), []);
  return Promise.resolve();
});

test.run();

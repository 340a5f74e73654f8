// timeout 240s
/** Children that are born while an update is installed or switched on. */
import * as assert from "uvu/assert";
import { addon } from "../../../native/addon/addon.js";
import { outliveForks } from "../../../native/session/forks.js";
import { TargetProcess as Member } from "../../../native/session/target_process.js";
import {
  engine,
  expectUntraced,
  expectVersion,
  withSession,
} from "../../support/engine_session.js";
import { test } from "../../support/engine_test.js";
import { buildPatch, simpleUpdate } from "../../support/patches.js";
import { runOperation, type UpdateSpec } from "../../support/operation.js";
import { childrenOf, exists } from "../../support/proc.js";
import {
  buildTarget,
  sleep,
  withTarget,
  type TargetProcess,
} from "../../support/target_process.js";

const family = buildTarget({ name: "family" });
const slowFork = buildTarget({ name: "slow_fork" });

test("who is born between a process's record and its window is made complete", async () => {
  // The window waits until no child uses the process's memory any more; other threads fork meanwhile.
  const args = ["--sessions=0", "--life=15", "--hold=150"];
  const probes = ["parent", "child", "grandchild"];
  for (let round = 0; round < 3; round++) {
    await withTarget(family, { args }, async (target) => {
      const update = simpleUpdate("family", buildPatch("family.c"), ["first", "second"], {
        scope: "tree",
      });
      const applied = await withSession(target.pid, (session) => session.apply(update));
      assert.ok(applied.pids.length > 1, "nobody was there but the root");
      await expectVersion(target, "new", probes);
      await withSession(target.pid, (session) => session.rollback());
      await expectVersion(target, "old", probes);
      expectUntraced(target);
    });
  }
});

/** Resolves when a fork has begun whose child is not there yet. */
async function midFork(target: TargetProcess): Promise<void> {
  for (const until = Date.now() + 20_000; Date.now() < until; await sleep(1)) {
    const { counters } = await target.state();
    const begun = (counters["forks_begun"] ?? 0) > (counters["forks_done"] ?? 0);
    if (begun && childrenOf(target.pid).length === 0) return;
  }
  throw new Error("the target was never seen in a fork");
}

test("a fork that goes on is waited for", async () => {
  await withTarget(slowFork, {}, async (target) => {
    const tracer = addon.createTracer(() => undefined);
    try {
      const member = Member.open(target.pid, new Map());
      for (let round = 0; round < 5; round++) {
        await midFork(target);
        await outliveForks(tracer, member, Date.now() + 20_000);
        assert.is(childrenOf(target.pid).length, 1);
        while (childrenOf(target.pid).length > 0) await sleep(5);
      }
    } finally {
      addon.tracerClose(tracer);
    }
    expectUntraced(target);
  });
});

/** Points are told apart by one in so many; of a tree of this size there are hundreds. */
const step = 53;
const mostPoints = 600;

test("who is born while a killed update is mended is mended, too", async () => {
  const args = ["--sessions=1", "--life=15"];
  const spec: UpdateSpec = {
    name: "family",
    scope: "tree",
    patches: [
      { name: "family", object: buildPatch("family.c"), replacements: ["first", "second"] },
    ],
  };
  let killed = 0;
  for (let point = step, through = false; !through; point += step) {
    assert.ok(point < mostPoints, "there is no end to the fault points");
    await withTarget(family, { args }, async (target) => {
      const request = { operation: "apply", pids: [target.pid], update: spec } as const;
      const ending = await runOperation(request, { fault: String(point) });
      through = ending.signal === null;
      if (through) return;
      killed++;
      await withSession(target.pid, (session) => session.recover());
      for (const { pid } of await engine.descendants(target.pid)) {
        const states = (await statusOf(pid))?.updates.map(({ state }) => state) ?? [];
        assert.not.ok(states.includes("interrupted"), `point ${point}: ${states.join(" ")}`);
      }
      const state = (await engine.status(target.pid))?.updates.at(-1)?.state;
      await expectVersion(target, state === "active" ? "new" : "old");
    });
  }
  assert.ok(killed > 2, `killed at ${killed} points only`);
});

/** Null for one that has ended. */
async function statusOf(pid: number): ReturnType<typeof engine.status> {
  try {
    return await engine.status(pid);
  } catch (error) {
    if (exists(pid)) throw error;
    return null;
  }
}

test.run();

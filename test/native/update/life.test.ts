// timeout 300s
/** The life of updates in one process: verify, apply, on top of each other, roll back, status. */
import * as assert from "uvu/assert";
import type { UpdateRequest } from "../../../native/engine.js";
import {
  apply,
  engine,
  expectUntraced,
  expectVersion,
  refused,
  rollback,
  roundTrip,
  withSession,
} from "../../support/engine_session.js";
import { test } from "../../support/engine_test.js";
import { buildPatch, patch, simpleUpdate, update } from "../../support/patches.js";
import { type UpdateSpec, prepareOperation } from "../../support/operation.js";
import { bounds, mappings, readMemory, writableCode, writeMemory } from "../../support/proc.js";
import { basicProgram, basicUpdate, basicUpdateThird } from "../../support/programs.js";
import { type TargetProcess, withTarget } from "../../support/target_process.js";
import { buildIdOf } from "../../support/toolchain.js";

function onBasic(name: string, body: (target: TargetProcess) => Promise<void>): void {
  test(name, () => withTarget(basicProgram(), {}, body));
}

onBasic("an update is applied and taken back, twice", (target) => roundTrip(target, basicUpdate()));

onBasic("verify touches nothing", async (target) => {
  const before = mappings(target.pid);
  await withSession(target.pid, async (session) => {
    const verified = await session.verify(basicUpdate());
    assert.is(verified.result, "ready");
    assert.is(verified.functions, 1);
  });
  assert.equal(mappings(target.pid), before);
  assert.is(await engine.status(target.pid), null);
  await expectVersion(target, "old");
});

onBasic("the result and the events tell what was done", async (target) => {
  await withSession(target.pid, async (session, events) => {
    assert.equal(
      session.processes.map((process) => process.pid),
      [target.pid],
    );
    const result = await session.apply(basicUpdate());
    assert.is(result.result, "done");
    assert.equal(result.pids, [target.pid]);
    assert.is(result.functions, 1);
    assert.is(result.patches, 1);
    assert.ok(result.stoppedThreadsMax >= 1 && result.stoppedThreadsMax <= 5);
    assert.ok(result.stallUsMax > 0 && result.stallUsMax < 1_000_000);
    const kinds = events.map((event) => event.event);
    const order = ["resolved", "mapped", "installed", "activated"].map((kind) =>
      kinds.findIndex((found) => found === kind),
    );
    assert.ok(!order.includes(-1), `events: ${kinds.join(" ")}`);
    assert.equal(
      order,
      [...order].sort((a, b) => a - b),
      `events: ${kinds.join(" ")}`,
    );
  });
});

onBasic("the same update again is skipped, in the same session and in another", async (target) => {
  await withSession(target.pid, async (session) => {
    assert.is((await session.apply(basicUpdate())).result, "done");
    assert.is((await session.verify(basicUpdate())).result, "already-applied");
    assert.is((await session.apply(basicUpdate())).result, "skipped");
  });
  assert.is((await apply(target.pid, basicUpdate())).result, "skipped");
  const status = await engine.status(target.pid);
  assert.is(status?.updates.filter((one) => one.state === "active").length, 1);
  await expectVersion(target, "new");
});

onBasic("the same name with other content is refused", async (target) => {
  await apply(target.pid, basicUpdate());
  const other = simpleUpdate("basic", buildPatch("additions.c"), ["answer"]);
  await refused(apply(target.pid, other), "UPDATE_DIFFERS");
  await expectVersion(target, "new");
});

onBasic("a second update goes on top, and rollback goes back through both", async (target) => {
  await apply(target.pid, basicUpdate());
  await expectVersion(target, "new");
  await apply(target.pid, basicUpdateThird());
  await expectVersion(target, "newer");
  const newest = await withSession(target.pid, (session) => session.rollback());
  assert.is(newest.update, "basic-third");
  assert.is(newest.point, "start");
  await expectVersion(target, "new");
  await rollback(target.pid);
  await expectVersion(target, "old");
});

onBasic("rollback to the lower update takes the upper one back first", async (target) => {
  await apply(target.pid, basicUpdate());
  await apply(target.pid, basicUpdateThird());
  await rollback(target.pid, { update: "basic", point: "start" });
  await expectVersion(target, "old");
  const status = await engine.status(target.pid);
  assert.equal(
    status?.updates.map((one) => one.state),
    ["rolled-back", "rolled-back"],
  );
});

onBasic("a second update of a hooked function stops no more than one thread", async (target) => {
  await apply(target.pid, basicUpdate());
  const second = await apply(target.pid, basicUpdateThird());
  assert.ok(second.stoppedThreadsMax <= 1, `stopped ${second.stoppedThreadsMax}`);
  const back = await rollback(target.pid);
  assert.ok(back.stoppedThreadsMax <= 1, `stopped ${back.stoppedThreadsMax}`);
  await expectVersion(target, "new");
});

onBasic("rollback of nothing is skipped", async (target) => {
  assert.is((await rollback(target.pid)).result, "skipped");
  await apply(target.pid, basicUpdate());
  await rollback(target.pid);
  assert.is((await rollback(target.pid)).result, "skipped");
  await expectVersion(target, "old");
});

onBasic("rollback to an update or point that is not there is refused", async (target) => {
  await apply(target.pid, basicUpdate());
  for (const to of [
    { update: "unheard-of", point: "start" },
    { update: "basic", point: "unheard-of" },
  ]) {
    await refused(rollback(target.pid, to), ["NOTHING_ACTIVE", "UNKNOWN_UPDATE", "UNKNOWN_POINT"]);
  }
  await expectVersion(target, "new");
});

/** Two patches that replace the same function, with a point between them. */
function twoPatches(): UpdateRequest {
  const object = buildPatch("basic.c");
  return update(
    "steps",
    [
      patch("second", object, ["answer"]),
      patch("third", object, [{ function: "answer", with: "answer_third" }]),
    ],
    { points: [{ name: "between", position: 1 }] },
  );
}

onBasic("rollback stops at a named point and goes on to the start", async (target) => {
  await apply(target.pid, twoPatches());
  await expectVersion(target, "newer");
  const partly = await withSession(target.pid, (session) =>
    session.rollback({ update: "steps", point: "between" }),
  );
  assert.is(partly.point, "between");
  await expectVersion(target, "new");
  const status = (await engine.status(target.pid))?.updates.at(-1);
  assert.is(status?.state, "active");
  assert.is(status?.at, "between");
  assert.equal(
    status?.patches.map((one) => one.active),
    [true, false],
  );
  await rollback(target.pid);
  await expectVersion(target, "old");
});

onBasic("status tells what was applied", async (target) => {
  assert.is(await engine.status(target.pid), null);
  const request = basicUpdate();
  const before = Date.now();
  await apply(target.pid, request);
  const status = await engine.status(target.pid);
  assert.is(status?.pid, target.pid);
  assert.is(status?.exe, target.program);
  assert.is(status?.buildId, buildIdOf(target.program));
  const [only] = status?.updates ?? [];
  assert.is(only?.name, "basic");
  assert.is(only?.scriptDigest, request.scriptDigest);
  assert.is(only?.scope, "process");
  assert.equal(only?.points, ["start"]);
  assert.equal(only?.patches, [
    {
      name: "basic",
      digest: request.patches[0]?.digest,
      active: true,
      functions: ["answer"],
      data: null,
    },
  ]);
  const appliedAt = Date.parse(only?.appliedAt ?? "");
  assert.ok(appliedAt >= before - 1000 && appliedAt <= Date.now() + 1000, only?.appliedAt);
  assert.ok((await engine.statusOfAll()).some((one) => one.pid === target.pid));
});

onBasic("a build-id is compared by prefix", async (target) => {
  const real = buildIdOf(target.program) ?? "";
  const wrong = (real.startsWith("0") ? "1" : "0") + real.slice(1, 8);
  const error = await refused(
    apply(target.pid, basicUpdate({ buildId: wrong })),
    "BUILD_ID_MISMATCH",
  );
  assert.ok(error.message.includes(real.slice(0, 8)), "the message shows what was found");
  await apply(target.pid, basicUpdate({ buildId: real.slice(0, 12) }));
  await expectVersion(target, "new");
});

onBasic("no memory is ever writable and executable at once", async (target) => {
  await apply(target.pid, basicUpdate());
  assert.equal(writableCode(target.pid), []);
  assert.not.ok(mappings(target.pid).some((line) => line.includes("memfd")));
  await rollback(target.pid);
  assert.equal(writableCode(target.pid), []);
});

onBasic("repeated rounds use the same image again", async (target) => {
  await apply(target.pid, basicUpdate());
  await rollback(target.pid);
  const before = mappings(target.pid).length;
  for (let round = 0; round < 20; round++) {
    await withSession(target.pid, async (session, events) => {
      await session.apply(basicUpdate());
      for (const event of events) {
        if (event.event === "mapped") assert.ok(event.reused, `mapped anew in round ${round}`);
      }
      await session.rollback();
    });
  }
  assert.is(mappings(target.pid).length, before);
  await expectVersion(target, "old");
  expectUntraced(target);
});

/** Changes a byte in every place of the record that holds the update's name. */
function damageRecord(target: TargetProcess, before: ReadonlySet<string>, name: string): number {
  let places = 0;
  for (const mapping of mappings(target.pid).filter((line) => !before.has(line))) {
    const { start, end } = bounds(mapping);
    const memory = readMemory(target.pid, start, end - start);
    const quoted = `"${name}"`;
    for (let at = memory.indexOf(quoted); at >= 0; at = memory.indexOf(quoted, at + 1)) {
      writeMemory(target.pid, start + at + 1, Buffer.from("?"));
      places++;
    }
  }
  return places;
}

onBasic("a damaged record is told as that, and nothing is done to the target", async (target) => {
  const before = new Set(mappings(target.pid));
  await apply(target.pid, basicUpdate({ name: "soon-damaged" }));
  assert.ok(damageRecord(target, before, "soon-damaged") > 0, "the record was not found");
  await refused(engine.status(target.pid), "RECORD_DAMAGED", "inconsistent");
  for (const attempt of [
    () => rollback(target.pid),
    () => apply(target.pid, basicUpdateThird()),
    () => withSession(target.pid, (session) => session.recover()),
  ]) {
    await refused(attempt(), "RECORD_DAMAGED", "inconsistent");
  }
  await engine.statusOfAll();
  await expectVersion(target, "new");
  expectUntraced(target);
});

onBasic("two engines at once: each is done or refused, and the target is whole", async (target) => {
  const patches = (replacement: string): UpdateSpec["patches"] => [
    {
      name: "basic",
      object: buildPatch("basic.c"),
      replacements: [{ function: "answer", with: replacement }],
    },
  ];
  for (let round = 0; round < 6; round++) {
    const prepared = await Promise.all(
      ["answer", "answer_third"].map((replacement) =>
        prepareOperation({
          operation: "apply",
          pids: [target.pid],
          update: { name: replacement, scope: "process", patches: patches(replacement) },
        }),
      ),
    );
    const endings = await Promise.all(prepared.map((one) => one.run()));
    const done = endings.filter((ending) => ending.report?.result === "done").length;
    for (const { report } of endings) {
      if (report?.result === "error") assert.is(report.kind, "refused", report.message);
    }
    assert.ok(done >= 1, JSON.stringify(endings));
    const states = (await engine.status(target.pid))?.updates.map((one) => one.state) ?? [];
    assert.is(states.filter((state) => state === "active").length, done, states.join(" "));
    for (let left = done; left > 0; left--) await rollback(target.pid);
    await expectVersion(target, "old");
  }
});

onBasic("a closed session holds nothing and can be closed again", async (target) => {
  const session = await engine.open([target.pid], () => undefined);
  await session.close();
  await session.close();
  expectUntraced(target);
  await expectVersion(target, "old");
});

onBasic("the process is found by its executable's name and path", async (target) => {
  const byName = await engine.findProcesses("basic");
  assert.ok(byName.some((found) => found.pid === target.pid));
  const byPath = await engine.findProcesses(target.program);
  assert.ok(byPath.some((found) => found.pid === target.pid));
  const info = await engine.processInfo(target.pid);
  assert.is(info.exe, target.program);
  assert.is(info.exeDeleted, false);
  assert.is(info.buildId, buildIdOf(target.program));
  assert.is(info.threads, 5);
  assert.is(info.parent, target.parentPid);
});

test.run();

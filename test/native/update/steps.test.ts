// timeout 180s
/** An update in several steps, its images ahead of it, and repairs that a rollback takes back. */
import * as assert from "uvu/assert";
import { address, type Address } from "../../../native/address.js";
import type { Repair, Session } from "../../../native/engine.js";
import { engine, expectVersion, rollback, withSession } from "../../support/engine_session.js";
import { test } from "../../support/engine_test.js";
import { buildPatch, patch, update } from "../../support/patches.js";
import { mappings, readMemory, writeMemory } from "../../support/proc.js";
import { basicProgram } from "../../support/programs.js";
import { type TargetProcess, withTarget } from "../../support/target_process.js";

/** `answer` in a second version, then in a third; a point between. */
function twoPatches() {
  const object = buildPatch("basic.c");
  return update(
    "two",
    [
      patch("second", object, ["answer"]),
      patch("third", object, [{ function: "answer", with: "answer_third" }]),
    ],
    { points: [{ name: "middle", position: 1 }] },
  );
}

function onBasic(name: string, body: (target: TargetProcess) => Promise<void>): void {
  test(name, () => withTarget(basicProgram(), {}, body));
}

/** A word of the target's writable data that nothing uses: the end of its last data page. */
function spareWord(target: TargetProcess): Address {
  const data = mappings(target.pid).find((map) => map.includes("rw-p") && map.includes("/basic"));
  const end = /^[0-9a-f]+-([0-9a-f]+) /.exec(data ?? "")?.[1];
  if (end === undefined) throw new Error("no writable data");
  return address(BigInt(`0x${end}`) - 8n);
}

function repairOf(target: TargetProcess, at: Address, patchNumber: number): Repair {
  return {
    pid: target.pid,
    patch: patchNumber,
    taint: "t",
    address: at,
    before: Buffer.from("aaaaaaaa"),
    after: Buffer.from("bbbbbbbb"),
  };
}

const word = (target: TargetProcess, at: Address): string =>
  readMemory(target.pid, Number(at), 8).toString("latin1");

onBasic(
  "the first patch alone is active after the first step, both after the last",
  async (target) => {
    await withSession(target.pid, async (session) => {
      const first = await session.apply(twoPatches(), { upTo: 1, more: true, repairs: [] });
      assert.is(first.result, "done");
      await expectVersion(target, "new");
      const last = await session.apply(twoPatches(), { upTo: 2, more: false, repairs: [] });
      assert.is(last.result, "done");
      await expectVersion(target, "newer");
    });
    const states = (await engine.status(target.pid))?.updates.map((one) => one.state);
    assert.equal(states, ["active"]);
    await rollback(target.pid, { update: "two", point: "middle" });
    await expectVersion(target, "new");
    await rollback(target.pid);
    await expectVersion(target, "old");
  },
);

onBasic("a run that ends between its steps is undone as a whole by the next", async (target) => {
  await withSession(target.pid, (session) =>
    session.apply(twoPatches(), { upTo: 1, more: true, repairs: [] }),
  );
  await expectVersion(target, "new");
  const states = (await engine.status(target.pid))?.updates.map((one) => one.state);
  assert.equal(states, ["interrupted"]);
  const result = await withSession(target.pid, (session) => session.recover());
  assert.is(result.result, "done");
  await expectVersion(target, "old");
});

onBasic("what the steps have reached can be kept", async (target) => {
  await withSession(target.pid, async (session) => {
    await session.apply(twoPatches(), { upTo: 1, more: true, repairs: [] });
    const end = await session.apply(twoPatches(), { upTo: 1, more: false, repairs: [] });
    assert.is(end.result, "skipped");
  });
  const [one] = (await engine.status(target.pid))?.updates ?? [];
  assert.is(one?.state, "active");
  assert.is(one?.at, "middle");
  await expectVersion(target, "new");
  const later = await rollback(target.pid, { update: "two", point: "middle" });
  assert.is(later.result, "skipped", "it stands there already");
});

onBasic("staged images can be read and called, and change nothing", async (target) => {
  const request = twoPatches();
  const digest = request.patches[0]?.digest ?? "";
  await withSession(target.pid, async (session) => {
    assert.is(session.patchBase(target.pid, digest), null);
    await session.stage(request);
    const base = session.patchBase(target.pid, digest);
    assert.ok(base !== null);
    assert.is(readMemory(target.pid, Number(base), 4).toString("latin1"), "\x7fELF");
    await expectVersion(target, "old");
    await session.stage(request);
    await session.apply(request);
    assert.is(session.patchBase(target.pid, digest), base, "the image is used");
  });
  await expectVersion(target, "newer");
});

async function applied(target: TargetProcess, at: Address): Promise<void> {
  writeMemory(target.pid, Number(at), Buffer.from("bbbbbbbb"));
  await withSession(target.pid, async (session: Session) => {
    await session.apply(twoPatches(), {
      upTo: 1,
      more: true,
      repairs: [repairOf(target, at, 0)],
    });
    await session.apply(twoPatches(), { upTo: 2, more: false, repairs: [] });
  });
}

onBasic(
  "a rollback below the patch takes its repairs back, one above it does not",
  async (target) => {
    const at = spareWord(target);
    await applied(target, at);
    await rollback(target.pid, { update: "two", point: "middle" });
    assert.is(word(target, at), "bbbbbbbb");
    await withSession(target.pid, async (session, events) => {
      await session.rollback();
      assert.equal(
        events.flatMap((one) => (one.event === "repair_undone" ? [one.taint] : [])),
        ["t"],
      );
    });
    assert.is(word(target, at), "aaaaaaaa");
  },
);

onBasic("a repair that was changed since is left alone, and said", async (target) => {
  const at = spareWord(target);
  await applied(target, at);
  writeMemory(target.pid, Number(at), Buffer.from("cccccccc"));
  await withSession(target.pid, async (session, events) => {
    await session.rollback();
    assert.ok(events.some((one) => one.event === "repair_left"));
  });
  assert.is(word(target, at), "cccccccc");
});

onBasic("repairs of an interrupted run are taken back by recover", async (target) => {
  const at = spareWord(target);
  writeMemory(target.pid, Number(at), Buffer.from("bbbbbbbb"));
  await withSession(target.pid, (session) =>
    session.apply(twoPatches(), { upTo: 1, more: true, repairs: [repairOf(target, at, 0)] }),
  );
  await withSession(target.pid, (session) => session.recover());
  assert.is(word(target, at), "aaaaaaaa");
});

onBasic("a repair for a patch that is active already joins its record", async (target) => {
  const at = spareWord(target);
  await withSession(target.pid, async (session) => {
    await session.apply(twoPatches(), { upTo: 2, more: true, repairs: [] });
    writeMemory(target.pid, Number(at), Buffer.from("bbbbbbbb"));
    await session.apply(twoPatches(), {
      upTo: 2,
      more: false,
      repairs: [repairOf(target, at, 1)],
    });
  });
  await rollback(target.pid, { update: "two", point: "middle" });
  assert.is(word(target, at), "aaaaaaaa");
  await expectVersion(target, "new");
});

onBasic(
  "a repair that is announced is taken back by whoever comes, once it was made",
  async (target) => {
    const at = spareWord(target);
    writeMemory(target.pid, Number(at), Buffer.from("aaaaaaaa"));
    await withSession(target.pid, async (session) => {
      await session.stage(twoPatches());
      await session.announce(twoPatches(), [repairOf(target, at, 0)]);
    });
    // Before it was made: nothing but the record changes.
    const stateOf = async (): Promise<readonly string[]> =>
      (await engine.status(target.pid))?.updates.map((one) => one.state) ?? [];
    assert.equal(await stateOf(), ["interrupted"]);
    await withSession(target.pid, (session) => session.recover());
    assert.is(word(target, at), "aaaaaaaa");
    assert.equal(await stateOf(), []);

    await withSession(target.pid, async (session) => {
      await session.announce(twoPatches(), [repairOf(target, at, 0)]);
      writeMemory(target.pid, Number(at), Buffer.from("bbbbbbbb"));
    });
    const result = await withSession(target.pid, (session) => session.recover());
    assert.is(result.result, "done");
    assert.is(word(target, at), "aaaaaaaa");
    assert.equal(await stateOf(), []);
    await expectVersion(target, "old");
  },
);

onBasic(
  "what was announced is forgotten when nothing is announced, and taken over by a step",
  async (target) => {
    const at = spareWord(target);
    writeMemory(target.pid, Number(at), Buffer.from("aaaaaaaa"));
    await withSession(target.pid, async (session) => {
      await session.stage(twoPatches());
      await session.announce(twoPatches(), [repairOf(target, at, 0)]);
      await session.announce(twoPatches(), []);
      assert.equal((await engine.status(target.pid))?.updates, []);
      await session.announce(twoPatches(), [repairOf(target, at, 0)]);
      writeMemory(target.pid, Number(at), Buffer.from("bbbbbbbb"));
      await session.apply(twoPatches(), {
        upTo: 1,
        more: true,
        repairs: [repairOf(target, at, 0)],
      });
      await session.announce(twoPatches(), [repairOf(target, at, 1)]);
      await session.apply(twoPatches(), { upTo: 2, more: false, repairs: [] });
    });
    assert.is((await withSession(target.pid, (session) => session.recover())).result, "skipped");
    await rollback(target.pid);
    assert.is(word(target, at), "aaaaaaaa");
    await expectVersion(target, "old");
  },
);

test.run();

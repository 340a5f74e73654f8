// timeout 240s
/** Stores that are caught again and again are rewritten, and put back when nothing is coherent any more. */
import * as assert from "uvu/assert";
import { addon } from "../../../native/addon/addon.js";
import { address } from "../../../native/address.js";
import { readHot, readSites, type Site } from "../../../native/data/site_table.js";
import { diskBytes } from "../../../native/inspect/disk.js";
import { TargetProcess as Target } from "../../../native/session/target_process.js";
import { engine, expectVersion, withSession } from "../../support/engine_session.js";
import { test } from "../../support/engine_test.js";
import { checkBook, ledgerProgram, ledgerUpdate } from "../../support/ledger.js";
import { sleep, withTarget, type TargetProcess } from "../../support/target_process.js";

const probes = ["move", "touch"];

function sitesOf(target: TargetProcess): readonly Site[] {
  const open = Target.open(target.pid, new Map(), true);
  const { runtime } = open.record();
  return runtime === null ? [] : readSites(open.handle, runtime).filter((s) => s.known);
}

function hotOf(target: TargetProcess): ReadonlyMap<bigint, number> {
  const open = Target.open(target.pid, new Map(), true);
  const { runtime } = open.record();
  return runtime === null ? new Map() : readHot(open.handle, runtime);
}

/** Whether a look for damaged code takes the jump for what is to be there. */
function isExpectedCode(target: TargetProcess, { address: at }: Site): boolean {
  const open = Target.open(target.pid, new Map(), true);
  const expected = diskBytes(open, address(at), 16);
  return expected === null || addon.readMemory(open.handle, at, 16).equals(expected);
}

/** Whether the program's code is what its file holds. */
function isFilesCode(target: TargetProcess, sites: readonly Site[]): boolean {
  const { handle, executable } = Target.open(target.pid, new Map(), true);
  return sites
    .filter(({ address: at }) => at >= executable.info.start && at < executable.info.end)
    .every(({ address: at }) =>
      addon.readMemory(handle, at, 16).equals(addon.fileBytes(executable.handle, at, 16)),
    );
}

async function runtimeOf(target: TargetProcess) {
  const runtime = (await engine.status(target.pid))?.runtime;
  if (!runtime) throw new Error("there is no runtime");
  return runtime;
}

/** Applies the update while a thread stays in old code, and waits until stores have been rewritten. */
async function rewritten(target: TargetProcess, atLeast: number): Promise<readonly Site[]> {
  return withSession(target.pid, async (session) => {
    await session.apply(ledgerUpdate());
    for (let look = 0; look < 60 && sitesOf(target).length < atLeast; look++) {
      await sleep(150);
      await session.complete("ledger");
    }
    const sites = sitesOf(target);
    assert.ok(sites.length >= atLeast, `${sites.length} stores were rewritten`);
    return sites;
  });
}

async function complete(target: TargetProcess): Promise<void> {
  await target.ask("leave");
  for (let look = 0; look < 100; look++) {
    await sleep(50);
    const holds = await withSession(target.pid, (session) => session.complete("ledger"));
    if (holds.length === 0) return;
  }
  throw new Error("coexistence does not end");
}

test("hot stores are rewritten, coherent, and put back at completion", async () => {
  await withTarget(ledgerProgram(), { args: ["--stay", "--movers=2"] }, async (target) => {
    const sites = await rewritten(target, 10);
    assert.ok(
      sites.some((site) => site.jumpAt < site.address),
      "no store is rewritten with what comes before it",
    );
    assert.is((await runtimeOf(target)).rewritten, sites.length);
    assert.ok(
      sites.every((site) => isExpectedCode(target, site)),
      "damage is seen that is none",
    );
    const before = await checkBook(target);
    const hitsBefore = sites.reduce((sum, s) => sum + s.hits, 0);
    const hotBefore = hotOf(target);
    await sleep(1000);
    const made = (await checkBook(target)) - before;
    assert.ok(made > 500, `only ${made} moves`);
    const hits = sitesOf(target).reduce((sum, s) => sum + s.hits, 0) - hitsBefore;
    assert.ok(hits > 500, `only ${hits} stores were direct`);
    for (const { address } of sites)
      assert.ok(
        (hotOf(target).get(address) ?? 0) <= (hotBefore.get(address) ?? 0),
        "is caught still",
      );
    await expectVersion(target, "new", probes);
    await complete(target);
    assert.is((await runtimeOf(target)).rewritten, 0);
    assert.equal(sitesOf(target), []);
    assert.ok(isFilesCode(target, sites), "the program's code is not as it was");
    await expectVersion(target, "new", probes);
    await withSession(target.pid, (session) => session.rollback());
    await expectVersion(target, "old", probes);
    await checkBook(target);
  });
});

test("signals arrive once each, and handlers that leave a rewritten store leave nothing behind", async () => {
  const args = ["--stay", "--movers=2", "--signals"];
  await withTarget(ledgerProgram(), { args }, async (target) => {
    await rewritten(target, 4);
    const first = await target.ask("signals");
    await sleep(4000);
    await checkBook(target);
    const second = await target.ask("signals");
    assert.ok(Number(second["left"]) > Number(first["left"]) + 200, "no handler leaves");
    assert.ok(
      Number(second["stored"]) > Number(first["stored"]) + 1000,
      "the thread does not store",
    );
    await complete(target);
    await sleep(200);
    const last = await target.ask("signals");
    const under = Number(last["sent"]) - Number(last["handled"]);
    assert.ok(under >= 0 && under <= 101, `${under} signals are not there`);
    assert.ok(Number(last["handled"]) > Number(second["handled"]), "signals stop");
    await withSession(target.pid, (session) => session.rollback());
    await expectVersion(target, "old", probes);
    await checkBook(target);
  });
});

test.run();

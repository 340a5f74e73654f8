// exclusive
// timeout 420s
/**
 * Functions whose first bytes are hard to redirect. Each is either updated and
 * works, or refused by name with nothing changed; some have only one right answer.
 */
import * as assert from "uvu/assert";
import { EngineError, type UpdateRequest } from "../../../native/engine.js";
import {
  apply,
  engine,
  expectUntraced,
  expectVersion,
  rollback,
  withSession,
} from "../../support/engine_session.js";
import { test } from "../../support/engine_test.js";
import { runOperation, type UpdateSpec } from "../../support/operation.js";
import { buildPatch, simpleUpdate } from "../../support/patches.js";
import { entriesProgram } from "../../support/programs.js";
import { sleep, type TargetProcess, withTarget } from "../../support/target_process.js";

type Answer = "updated" | "refused" | "either";

interface Case {
  readonly function: string;
  readonly answer: Answer;
  /** What the old version adds; the patch has a function for each. */
  readonly added: 0 | 10;
}

const cases: readonly Case[] = [
  { function: "after_short", answer: "updated", added: 10 },
  { function: "short_padded", answer: "updated", added: 0 },
  { function: "short_int3", answer: "updated", added: 0 },
  { function: "false_padding", answer: "either", added: 0 },
  { function: "false_padding_user", answer: "updated", added: 10 },
  { function: "loop_back", answer: "either", added: 10 },
  { function: "branch_from_behind", answer: "either", added: 10 },
  { function: "shared_tail", answer: "either", added: 10 },
  { function: "shared_tail_user", answer: "updated", added: 10 },
  { function: "jump_table", answer: "either", added: 10 },
  { function: "rip_relative", answer: "updated", added: 10 },
  { function: "rip_relative_compare", answer: "updated", added: 10 },
  { function: "call_first", answer: "updated", added: 10 },
  { function: "get_pc", answer: "either", added: 10 },
  { function: "branch_first", answer: "updated", added: 10 },
  { function: "jrcxz_first", answer: "either", added: 10 },
  { function: "jump_first", answer: "updated", added: 10 },
  { function: "short_jump_first", answer: "updated", added: 10 },
  { function: "endbr_first", answer: "updated", added: 10 },
  { function: "stack_first", answer: "updated", added: 10 },
  { function: "line_crossing", answer: "updated", added: 10 },
  { function: "page_crossing_one", answer: "refused", added: 10 },
  // By a short jump to padding nearby.
  { function: "page_crossing_three", answer: "updated", added: 10 },
  { function: "page_crossing_four", answer: "updated", added: 10 },
  { function: "short_unpadded", answer: "updated", added: 0 },
  // Behind the instructions before the page's end.
  { function: "page_crossing_endbr", answer: "updated", added: 10 },
  { function: "page_crossing_push", answer: "updated", added: 10 },
  { function: "page_crossing_pushes", answer: "updated", added: 10 },
  { function: "page_crossing_loop", answer: "refused", added: 10 },
  { function: "before_crowded", answer: "updated", added: 10 },
  { function: "page_crossing_crowded", answer: "refused", added: 10 },
  { function: "after_crowded", answer: "updated", added: 10 },
];

const refusalCodes = ["FUNCTION_TOO_SHORT", "ENTRY_NOT_HOOKABLE"];

function entryUpdate(one: Case): UpdateRequest {
  const replacement = one.added === 0 ? "plus_thousand" : "plus_thousand_ten";
  return simpleUpdate(`entry-${one.function}`, buildPatch("entries.c"), [
    { function: one.function, with: replacement },
  ]);
}

/** Applies; returns whether it was updated, after checking that a refusal changed nothing. */
async function attempt(target: TargetProcess, one: Case): Promise<boolean> {
  try {
    await apply(target.pid, entryUpdate(one));
    return true;
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    assert.ok(refusalCodes.includes(error.code), `${error.code}: ${error.message}`);
    assert.is(error.kind, "refused");
    assert.is(error.details.subject, one.function);
    return false;
  }
}

for (const one of cases) {
  test(`${one.function} is ${one.answer === "either" ? "updated or refused" : one.answer}`, async () => {
    await withTarget(entriesProgram(), {}, async (target) => {
      const updated = await attempt(target, one);
      if (one.answer !== "either") assert.is(updated, one.answer === "updated");
      await expectVersion(target, updated ? "new" : "old", [one.function]);
      // Its neighbours are as they were.
      const others = cases.map((other) => other.function).filter((name) => name !== one.function);
      await expectVersion(target, "old", others);
      if (updated) await rollback(target.pid);
      else assert.is(await engine.status(target.pid), null);
      await expectVersion(target, "old");
      expectUntraced(target);
    });
  });
}

test("all functions that can be updated, at once", async () => {
  const sure = cases.filter((one) => one.answer === "updated");
  const request = simpleUpdate(
    "entries",
    buildPatch("entries.c"),
    sure.map((one) => ({
      function: one.function,
      with: one.added === 0 ? "plus_thousand" : "plus_thousand_ten",
    })),
  );
  await withTarget(entriesProgram(), {}, async (target) => {
    await apply(target.pid, request);
    await expectVersion(
      target,
      "new",
      sure.map((one) => one.function),
    );
    await rollback(target.pid);
    await expectVersion(target, "old");
  });
});

/** Functions in whose first bytes threads stand nearly always. */
for (const [name, replacement, ...args] of [
  ["fill", "fill_new"],
  ["fill_crossing", "fill_new", "--crossing"],
  ["enter", "enter_new"],
] as const) {
  test(`threads stand inside the first bytes of ${name}`, async () => {
    const request = simpleUpdate(`stand-${name}`, buildPatch("entries.c"), [
      { function: name, with: replacement },
    ]);
    // Several programs, since each update meets its threads at another moment.
    for (let round = 0; round < 4; round++) {
      await withTarget(entriesProgram(), { args }, async (target) => {
        await sleep(20 + round * 13);
        await apply(target.pid, request);
        await expectVersion(target, "new", [name]);
        await rollback(target.pid);
        await expectVersion(target, "old");
      });
    }
  });
}

test("a loop to the function's own first byte is a call of the new version, or refused", async () => {
  const request = simpleUpdate("loop", buildPatch("entries.c"), [
    { function: "loop_to_start", with: "loop_to_start_new" },
  ]);
  await withTarget(entriesProgram(), {}, async (target) => {
    let updated = true;
    try {
      await apply(target.pid, request);
    } catch (error) {
      if (!(error instanceof EngineError) || !refusalCodes.includes(error.code)) throw error;
      updated = false;
    }
    await expectVersion(target, updated ? "new" : "old", ["loop_to_start"]);
    if (updated) await rollback(target.pid);
    await expectVersion(target, "old");
  });
});

/** One by padding nearby, one behind its first instructions, one as usual. */
const unusual = ["page_crossing_three", "page_crossing_pushes", "rip_relative"];

test("killed at every fault point while entries change in unusual ways", async () => {
  const spec: UpdateSpec = {
    name: "unusual",
    scope: "process",
    patches: [
      {
        name: "unusual",
        object: buildPatch("entries.c"),
        replacements: unusual.map((name) => ({ function: name, with: "plus_thousand_ten" })),
      },
    ],
  };
  const killedAt = async (point: number): Promise<boolean> =>
    await withTarget(entriesProgram(), {}, async (target) => {
      const request = { operation: "apply", pids: [target.pid], update: spec } as const;
      const first = await runOperation(request, { fault: String(point) });
      if (first.signal !== null) {
        await withSession(target.pid, (session) => session.recover());
        const { probes } = await target.freshCounts(80);
        const version = (probes[unusual[0] ?? ""]?.new ?? 0) > 0 ? "new" : "old";
        await expectVersion(target, version, unusual);
        // What the first run has left does not stand against the second.
        let { report } = await runOperation(request);
        for (let tries = 0; tries < 5 && report?.result === "error"; tries++) {
          // A busy machine may not stop a thread in time.
          if (report.code !== "CANNOT_STOP") throw new Error(`point ${point}: ${report.message}`);
          ({ report } = await runOperation(request));
        }
        assert.is(report?.result, version === "new" ? "skipped" : "done", `point ${point}`);
      }
      await expectVersion(target, "new", unusual);
      await rollback(target.pid);
      await expectVersion(target, "old");
      return first.signal !== null;
    });
  let points = 0;
  for (let fell = true; fell; points += 2) {
    const all = await Promise.all([1, 2].map((more) => killedAt(points + more)));
    fell = all.every((one) => one);
  }
  assert.ok(points >= 20, `only ${points} fault points`);
});

test.run();

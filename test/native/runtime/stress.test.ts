// timeout 300s
/** Eight writers and eight readers, half of them in old and half in new code; nothing may be lost. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { buildRuntimeProgram, runWithRuntime } from "../../support/runtime_programs.js";

const program = buildRuntimeProgram("stress");

function stress(
  seconds: number,
  rounds: number,
  children: number,
  direct = true,
): Record<string, number> {
  const args = [seconds, rounds, children].map(String);
  const { status, signal, stdout, stderr } = runWithRuntime(program, args, 120_000, direct);
  assert.is(stderr, "");
  assert.is(signal, null);
  assert.is(status, 0, stdout);
  const words = stdout.matchAll(/(writes|reads)? ?(old|new|traps|broken|damage) (\d+)/g);
  return Object.fromEntries(
    [...words].map(([, of = "", what, count]) => [`${of}${what}`, Number(count)]),
  );
}

test("ten seconds of coexistence and no lost write", () => {
  const found = stress(10, 1, 0);
  assert.is(found["broken"], 0);
  assert.ok((found["traps"] ?? 0) > 100_000, JSON.stringify(found));
});

test("the same where each store is carried over by the transfer functions", () => {
  const found = stress(10, 1, 0, false);
  assert.is(found["broken"], 0);
  assert.ok((found["traps"] ?? 0) > 100_000, JSON.stringify(found));
});

test("a hundred updates and rollbacks in turn, a child forked in every third", () => {
  const found = stress(15, 100, 3);
  assert.is(found["broken"], 0);
  assert.ok((found["traps"] ?? 0) > 100_000, JSON.stringify(found));
});

for (const [name, what, ...words] of [
  ["shadow", "shadow fields: readers without a lock find what is there, and nothing else"],
  ["lookup", "objects are looked up without a lock or a system call while others come and go"],
  ["lookup", "the same where there are few", "few"],
] as const) {
  test(what, () => {
    const { status, signal, stdout, stderr } = runWithRuntime(
      buildRuntimeProgram(name),
      ["4", ...words],
      60_000,
    );
    assert.is(stderr, "");
    assert.is(signal, null);
    assert.is(status, 0, stdout);
  });
}

test.run();

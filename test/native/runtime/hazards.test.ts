// timeout 300s
/** What can go wrong while two versions of an object are kept coherent: a case of test/targets/runtime each. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { buildRuntimeProgram, runWithRuntime } from "../../support/runtime_programs.js";

const program = buildRuntimeProgram("hazards", ["hazards", "hazards_stores", "hazards_lives"]);
const names = runWithRuntime(program, [], 10_000).stdout.trim().split("\n");

test("the program knows its cases", () => {
  assert.ok(names.length >= 14, names.join(" "));
});

for (const [name, direct] of names.flatMap((one) => [
  [one, true] as const,
  [one, false] as const,
])) {
  test(direct ? name : `${name}, each store by the transfer functions`, () => {
    const { status, signal, stdout, stderr } = runWithRuntime(program, [name], 60_000, direct);
    assert.is(stderr, "");
    assert.is(signal, null);
    assert.is(status, 0, stdout);
    const traps = Number(/(\d+) traps/.exec(stdout)?.[1]);
    assert.ok(traps > 0, "nothing was caught, so nothing was tested");
  });
}

test.run();

/**
 * Every target runs clean, and its self-check finds what it is meant to find:
 * a target whose check cannot fail would make every other test worthless.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  basicProgram,
  buildLibrary,
  functionsProgram,
  libraryProgram,
  staticsProgram,
  tlsProgram,
} from "../support/programs.js";
import { buildTarget, withTarget } from "../support/target_process.js";

const programs: Readonly<Record<string, () => { program: string; args?: string[] }>> = {
  basic: () => ({ program: basicProgram() }),
  functions: () => ({ program: functionsProgram() }),
  statics: () => ({ program: staticsProgram() }),
  tls: () => ({ program: tlsProgram() }),
  library: () => ({
    program: libraryProgram(),
    args: [`--plugin=${buildLibrary("library_plugin")}`],
  }),
  ifunc: () => ({ program: buildTarget({ name: "ifunc" }) }),
};

for (const [name, make] of Object.entries(programs)) {
  test(`${name} runs clean and reaches only old versions`, async () => {
    const { program, args = [] } = make();
    await withTarget(program, { args }, async (target) => {
      const state = await target.freshCounts(300);
      assert.is(state.errors, 0, state.firstError ?? "");
      for (const [probe, counts] of Object.entries(state.probes)) {
        assert.ok(counts.old > 0, `${probe} was not called`);
        assert.is(counts.new + counts.newer, 0, `${probe} reached another version`);
      }
    });
  });
}

test.run();

/** The window in which code is written, as its planners ask for it. */
import * as assert from "uvu/assert";
import { addon, type EntryChange } from "../../../native/addon/addon.js";
import { loadedModules } from "../../../native/process/modules.js";
import { windowLimitUs } from "../../../native/session/prepare.js";
import { test } from "../../support/engine_test.js";
import { buildTarget, withTarget } from "../../support/target_process.js";

const program = buildTarget({ name: "basic" });

test("changes of the same bytes are refused, changes side by side are not", async () => {
  await withTarget(program, {}, async (target) => {
    const handle = addon.openTarget(target.pid);
    const executable = loadedModules(target.pid, handle).find((one) => one.isExecutable);
    const start = executable?.info.text[0]?.start;
    if (start === undefined) throw new Error("no code");
    /** Writes what stands there already. */
    const change = (offset: number, length: number): EntryChange => {
      const address = start + BigInt(offset);
      const bytes = addon.readMemorySome(handle, address, length);
      return { address, expected: bytes, bytes, moves: [] };
    };
    const tracer = addon.createTracer(() => undefined);
    try {
      const install = (...changes: EntryChange[]): Promise<unknown> =>
        addon.tracerInstall(tracer, handle, changes, windowLimitUs);
      for (const other of [change(4, 5), change(0, 5), change(0, 1)]) {
        for (const changes of [
          [change(0, 5), other],
          [other, change(16, 5), change(0, 5)],
        ]) {
          let code: unknown = "nothing";
          try {
            await install(...changes);
          } catch (error) {
            code = error instanceof Error && "code" in error ? error.code : error;
          }
          assert.is(code, "ENTRY_NOT_HOOKABLE");
        }
      }
      await install(change(5, 5), change(0, 5), change(4096, 5), change(4101, 1));
    } finally {
      addon.tracerClose(tracer);
    }
  });
});

test.run();

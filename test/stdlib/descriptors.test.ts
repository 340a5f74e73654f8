/** std/descriptors on a server that loses descriptors. */
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { temporaryFolder } from "../interpreter/temporary_folder.js";
import {
  assertCompleted,
  assertFailed,
  assertQuiet,
  warningsOf,
  withPatient,
  type Patient,
} from "./recipe_run.js";

async function withServer(body: (patient: Patient, log: string) => Promise<void>): Promise<void> {
  const log = join(temporaryFolder(), "server.log");
  await withPatient("descriptors", (patient) => body(patient, log), { args: [`--log=${log}`] });
}

const leaks = (kind: string): string => `import "std/descriptors"
  assert !leaks_descriptors("${kind}", 10, 1s), "descriptors leak"`;

test("leaks_descriptors tells a leak from a busy server", () =>
  withServer(async ({ target, run }) => {
    assertQuiet(await run(leaks("any")));
    await target.ask("losing 1");
    assertFailed(await run(leaks("any")), "assertion-failed");
    assertFailed(await run(leaks("device")), "assertion-failed");
    assertQuiet(await run(leaks("socket")));
    await target.ask("losing 0");
    assertQuiet(await run(leaks("any")));
  }));

test("close_lost closes what the program has lost and keeps what it knows", () =>
  withServer(async ({ target, run }, log) => {
    const close = `import "std/descriptors" close_lost("${log}", log_fd)`;
    assertQuiet(await run(close));
    await target.ask("leak 5");
    assertFailed(
      await run(`import "std/descriptors" assert open_on("${log}") == 1`),
      "assertion-failed",
    );
    const closed = await run(close);
    assertCompleted(closed);
    assert.equal(warningsOf(closed), Array(5).fill("a lost descriptor was closed"));
    assertQuiet(
      await run(`import "std/descriptors"
        assert open_on("${log}") == 1
        assert still_open(log_fd, "${log}") && !still_open(log_fd + 1, "${log}")`),
    );
    assert.is((await target.ask("look"))["writes"], true);
    assertQuiet(await run(close));
  }));

test("open_descriptors counts by kind", () =>
  withServer(async ({ target, run }) => {
    const limit = `import "std/descriptors"
      assert open_descriptors("pipe") + open_descriptors("socket") >= 3
      assert open_descriptors("file") < 5 && open_descriptors("any") < 20`;
    assertQuiet(await run(limit));
    await target.ask("leak 20");
    assertFailed(await run(limit), "assertion-failed");
  }));

test.run();

// exclusive
// timeout 900s
/** The addon and the runtime under the sanitizers, on damaged files and a real target: `scripts/sanitize`. */
import { spawnSync } from "node:child_process";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { repositoryRoot } from "../support/repository.js";

test("nothing is found in a few seconds", () => {
  const { status, stdout, stderr } = spawnSync("scripts/sanitize", ["--seconds", "4"], {
    cwd: repositoryRoot,
    encoding: "utf8",
    timeout: 880_000,
  });
  assert.is(status, 0, `${stdout}\n${stderr}`.slice(-4000));
  for (const part of ["target", "filters", "entries", "stores", "files"])
    assert.match(stdout, new RegExp(`^${part}: [1-9]`, "m"));
});

test.run();

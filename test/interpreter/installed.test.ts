/** The installed command: found through links, from other folders, and honest when not built. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, symlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { temporaryFolder } from "./temporary_folder.js";

const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..", "..");
const command = join(root, "bin", "polus");

function run(
  path: string,
  ...words: string[]
): { code: number | null; stdout: string; stderr: string } {
  const { status, stdout, stderr } = spawnSync(path, words, {
    cwd: temporaryFolder(),
    encoding: "utf8",
    timeout: 20_000,
  });
  return { code: status, stdout, stderr };
}

test("it runs directly, through a chain of links, and from another folder", () => {
  const folder = temporaryFolder();
  symlinkSync(command, join(folder, "first"));
  symlinkSync("first", join(folder, "second"));
  for (const path of [command, join(folder, "second")]) {
    const { code, stdout, stderr } = run(path, "--version");
    assert.is(code, 0, stderr);
    assert.match(stdout, /^polus \d/);
  }
});

test("without the compiled files it says what to run", () => {
  const folder = temporaryFolder();
  mkdirSync(join(folder, "bin"));
  for (const name of ["polus", "package.json"]) {
    copyFileSync(join(root, "bin", name), join(folder, "bin", name));
  }
  const { code, stderr } = run(join(folder, "bin", "polus"), "--version");
  assert.is(code, 1);
  assert.match(stderr, "polus is not built yet");
  assert.match(stderr, `${folder}/scripts/setup`);
});

test("with a part missing it says so, without a stack", () => {
  const folder = temporaryFolder();
  mkdirSync(join(folder, "bin"));
  mkdirSync(join(folder, "dist", "interpreter"), { recursive: true });
  for (const name of ["polus", "package.json"]) {
    copyFileSync(join(root, "bin", name), join(folder, "bin", name));
  }
  copyFileSync(
    join(root, "dist", "interpreter", "main.js"),
    join(folder, "dist", "interpreter", "main.js"),
  );
  const { code, stderr } = run(join(folder, "bin", "polus"), "--version");
  assert.is(code, 1);
  assert.match(stderr, "incomplete-installation");
  assert.not.match(stderr, /\n\s+at /);
});

test.run();

import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";

const root = resolve(import.meta.dirname, "../../..");

test("a second set-up does nothing, quickly", () => {
  const start = performance.now();
  const { status, stdout, stderr } = spawnSync("scripts/setup", ["--quiet"], {
    cwd: root,
    encoding: "utf8",
  });
  assert.equal([status, stdout, stderr], [0, "", ""]);
  assert.ok(performance.now() - start < 5000);
});

/** Runs set-up with only these tools on the PATH; `own` are shell scripts in the place of others. */
function setupWith(own: Record<string, string>): { status: number | null; stderr: string } {
  const bin = mkdtempSync(join(tmpdir(), "polus-setup-"));
  try {
    for (const tool of ["bash", "dirname", "mkdir", "flock", "cat", "tail", "uname"]) {
      if (!(tool in own)) symlinkSync(`/usr/bin/${tool}`, join(bin, tool));
    }
    for (const [name, text] of Object.entries(own)) {
      writeFileSync(join(bin, name), `#!/usr/bin/bash\n${text}\n`, { mode: 0o755 });
    }
    return spawnSync("scripts/setup", { cwd: root, encoding: "utf8", env: { PATH: bin } });
  } finally {
    rmSync(bin, { recursive: true, force: true });
  }
}

const lacking: readonly (readonly [string, Record<string, string>, RegExp])[] = [
  [
    "another machine",
    { uname: '[ "$1" = -s ] && echo Linux || echo aarch64' },
    /x86-64 Linux only.*aarch64/,
  ],
  ["no Node.js", {}, /Node\.js 20 or later is needed; no 'node' is on the PATH/],
  ["no npm", { node: "echo 20.1.0" }, /npm is needed/],
  ["an old Node.js", { node: "echo 18.19.0", npm: "exit 1" }, /this is 18\.19\.0/],
];

for (const [what, own, sentence] of lacking) {
  test(`${what}: one clear sentence`, () => {
    const { status, stderr } = setupWith(own);
    assert.is(status, 1);
    assert.match(stderr, sentence);
    assert.is(stderr.trim().split("\n").length, 1);
  });
}

test.run();

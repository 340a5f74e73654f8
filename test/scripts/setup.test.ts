import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
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

test("packages: held ones count, another's lock is waited for, a failed fetch of lists is no end", () => {
  const packages = readFileSync(join(root, "scripts/debian-packages"), "utf8")
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"));
  const folder = mkdtempSync(join(tmpdir(), "polus-setup-"));
  const calls = join(folder, "calls");
  try {
    const { status, stderr } = setupWith({
      node: "echo 20.1.0",
      npm: "exit 1",
      id: "echo 0",
      env: 'exec /usr/bin/env "$@"',
      grep: 'exec /usr/bin/grep "$@"',
      sleep: `echo sleep >>${calls}`,
      "dpkg-query": packages
        .map((name) => (name === "g++" ? "" : `echo '${name === "make" ? "hi" : "ii"} ${name}'`))
        .join("\n"),
      "apt-get": `echo "$@" >>${calls}
        [ "$1" = update ] || { echo "no such package"; exit 100; }
        [ -e ${folder}/tried ] && echo "one source is gone" || echo "Could not get lock"
        >${folder}/tried
        exit 100`,
    });
    assert.is(status, 1);
    assert.match(stderr, /installing Debian packages: g\+\+\n/);
    assert.match(stderr, /one source is gone\nno such package\n/);
    assert.equal(readFileSync(calls, "utf8").trimEnd().split("\n"), [
      "update",
      "sleep",
      "update",
      "-o DPkg::Lock::Timeout=300 install -y --no-install-recommends g++",
    ]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test.run();

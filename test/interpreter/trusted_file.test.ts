/** Ownership rules; the tests that change owners need root and say so where they are left out. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { chmodSync, chownSync, mkdirSync, realpathSync, symlinkSync, writeFileSync } from "node:fs";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import {
  FileProblem,
  readTrustedFile,
  trustFor,
  type FileTrust,
} from "../../interpreter/patches/trusted_file.js";
import { temporaryFolder } from "./temporary_folder.js";

const root = process.geteuid?.() === 0;
const asRoot: FileTrust = { owners: [0] };
const anybody: FileTrust = { owners: null };

function problemOf(path: string, trust: FileTrust): string {
  try {
    readTrustedFile(path, trust);
  } catch (error) {
    if (error instanceof FileProblem) return `${error.code}: ${error.message}`;
    throw error;
  }
  return "accepted";
}

/** A folder with one file in it, both ours alone. */
function folderWithFile(): { folder: string; path: string } {
  const folder = join(realpathSync(temporaryFolder()), "inner");
  mkdirSync(folder, { mode: 0o755 });
  const path = join(folder, "patch.so");
  writeFileSync(path, "contents", { mode: 0o644 });
  return { folder, path };
}

test("only root needs rules, and the flag lifts them", () => {
  assert.equal(trustFor(1000, {}, false), { owners: null });
  assert.equal(trustFor(0, {}, true), { owners: null });
  assert.equal(trustFor(0, {}, false), { owners: [0] });
  assert.equal(trustFor(0, { SUDO_UID: "1000" }, false), { owners: [0, 1000] });
  assert.equal(trustFor(0, { SUDO_UID: "evil" }, false), { owners: [0] });
});

test("kinds of places that are no file are told apart", () => {
  const { folder, path } = folderWithFile();
  execFileSync("mkfifo", [join(folder, "fifo")]);
  for (const trust of root ? [anybody, asRoot] : [anybody]) {
    assert.is(readTrustedFile(path, trust).toString(), "contents");
    assert.match(problemOf(join(folder, "none"), trust), "file-not-found");
    assert.match(problemOf(join(path, "below"), trust), /file-not-found|not-a-file/);
    assert.match(problemOf(folder, trust), "not-a-file");
    assert.match(problemOf(join(folder, "fifo"), trust), "not-a-file");
    assert.match(problemOf("/dev/null", trust), /not-a-file/);
  }
});

test("an empty and a large file are read whole", () => {
  const { folder } = folderWithFile();
  const large = Buffer.alloc(300_000, "abc");
  writeFileSync(join(folder, "large"), large);
  writeFileSync(join(folder, "empty"), "");
  for (const trust of root ? [anybody, asRoot] : [anybody]) {
    assert.ok(readTrustedFile(join(folder, "large"), trust).equals(large));
    assert.is(readTrustedFile(join(folder, "empty"), trust).length, 0);
  }
});

if (root) {
  test("a file that others may write is refused", () => {
    const { path } = folderWithFile();
    for (const mode of [0o664, 0o646, 0o666]) {
      chmodSync(path, mode);
      assert.match(problemOf(path, asRoot), "untrusted-file");
      assert.is(problemOf(path, anybody), "accepted");
    }
    chmodSync(path, 0o600);
    assert.is(problemOf(path, asRoot), "accepted");
  });

  test("a file or folder of another user is refused, of the invoking user accepted", () => {
    const { folder, path } = folderWithFile();
    chownSync(path, 1234, 1234);
    assert.match(problemOf(path, asRoot), "belongs to user 1234");
    assert.is(problemOf(path, { owners: [0, 1234] }), "accepted");
    chownSync(path, 0, 0);
    chownSync(folder, 1234, 1234);
    assert.match(problemOf(path, asRoot), `the folder ${folder} belongs to user 1234`);
    assert.is(problemOf(path, { owners: [0, 1234] }), "accepted");
  });

  test("the containing folder must not be writable by others, not even sticky; an ancestor may be sticky", () => {
    const { folder, path } = folderWithFile();
    chmodSync(folder, 0o777);
    assert.match(problemOf(path, asRoot), `the folder ${folder} is writable by other users`);
    chmodSync(folder, 0o1777);
    assert.match(problemOf(path, asRoot), `the folder ${folder} is writable by other users`);
    const below = join(folder, "below");
    mkdirSync(below);
    const deep = join(below, "patch.so");
    writeFileSync(deep, "x");
    assert.is(problemOf(deep, asRoot), "accepted");
    chmodSync(folder, 0o775);
    assert.match(problemOf(deep, asRoot), `the folder ${folder} is writable by other users`);
  });

  test("links are followed step by step, each checked", () => {
    const { folder, path } = folderWithFile();
    const other = folderWithFile();
    const link = join(folder, "link.so");
    symlinkSync("../inner/./patch.so", link);
    assert.is(readTrustedFile(link, asRoot).toString(), "contents");
    symlinkSync(other.folder, join(folder, "away"));
    assert.is(problemOf(join(folder, "away", "patch.so"), asRoot), "accepted");
    chmodSync(other.folder, 0o777);
    assert.match(problemOf(join(folder, "away", "patch.so"), asRoot), "untrusted-file");
    symlinkSync("circle", join(folder, "circle"));
    assert.match(problemOf(join(folder, "circle"), asRoot), "too many links");
    // A link that belongs to somebody else leads nowhere, though all that it leads to is fine.
    execFileSync("chown", ["-h", "1234", link]);
    assert.match(problemOf(link, asRoot), "belongs to user 1234");
    assert.is(problemOf(path, asRoot), "accepted");
  });
} else {
  console.log("the tests of ownership need root and were left out");
}

test.run();

/** `polus fmt`: what it prints and writes, and the same formatter inside Prettier. */
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
} from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { ReplaceError, replaceFile } from "../../interpreter/replace_file.js";
import { Workplace } from "./command.js";

const wild = 'print   1 ,\n 2 // two\nupdate u{target{exe"server"}}\n';
const tidy = 'print 1, 2 // two\nupdate u {\n  target { exe "server" }\n}\n';

const root = fileURLToPath(new URL("../../../", import.meta.url));
const plugin = join(root, "dist/lang/format/plugin.js");

function prettier(...words: readonly string[]) {
  const entry = join(root, "node_modules/prettier/bin/prettier.cjs");
  const run = spawnSync(process.execPath, [entry, "--plugin", plugin, ...words], {
    encoding: "utf8",
    timeout: 60_000,
  });
  return { code: run.status, stdout: run.stdout, stderr: run.stderr };
}

test("without flags the formatted text is printed and nothing written", async () => {
  const place = new Workplace();
  const one = place.file("one.polus", wild);
  place.file("two.polus", tidy);
  const run = await place.run("fmt", "one.polus", "two.polus");
  assert.equal([run.code, run.stdout, run.stderr], [0, tidy + tidy, ""]);
  assert.is(readFileSync(one, "utf8"), wild);
});

test("--check names the files that differ, and where they first do", async () => {
  const place = new Workplace();
  place.file("one.polus", wild);
  place.file("two.polus", tidy);
  place.file("three.polus", tidy.trimEnd());
  const run = await place.run("fmt", "--check", "one.polus", "two.polus", "three.polus");
  assert.is(run.code, 1);
  assert.is(run.stdout, "");
  assert.match(run.stderr, /^one\.polus:1:7: error not-formatted: `one\.polus` is not formatted\n/);
  assert.match(run.stderr, /^three\.polus:4:2: error not-formatted: /m);
  assert.not.match(run.stderr, "two.polus");
  assert.equal(await place.run("fmt", "two.polus", "--check"), {
    code: 0,
    signal: null,
    stdout: "",
    stderr: "",
  });
});

test("--write replaces files that differ, keeping mode and owner, and names them", async () => {
  const place = new Workplace();
  const one = place.file("one.polus", wild);
  const two = place.file("two.polus", tidy);
  chmodSync(one, 0o640);
  const asRoot = process.geteuid?.() === 0;
  if (asRoot) chownSync(one, 12345, 54321);
  const untouched = statSync(two);
  const before = readdirSync(place.folder).sort();
  const run = await place.run("fmt", "one.polus", "two.polus", "--write");
  assert.equal([run.code, run.stdout, run.stderr], [0, "one.polus\n", ""]);
  assert.is(readFileSync(one, "utf8"), tidy);
  const status = statSync(one);
  assert.is(status.mode & 0o7777, 0o640);
  if (asRoot) assert.equal([status.uid, status.gid], [12345, 54321]);
  assert.is(statSync(two).ino, untouched.ino);
  assert.is(statSync(two).mtimeMs, untouched.mtimeMs);
  assert.equal(readdirSync(place.folder).sort(), before, "nothing is left behind");
  assert.is((await place.run("fmt", "--check", "one.polus")).code, 0);
});

test("--write follows a symbolic link and leaves it one", async () => {
  const place = new Workplace();
  mkdirSync(join(place.folder, "inner"));
  const real = place.file("inner/real.polus", wild);
  const link = join(place.folder, "link.polus");
  symlinkSync("inner/real.polus", link);
  assert.is((await place.run("fmt", "--write", "link.polus")).code, 0);
  assert.ok(lstatSync(link).isSymbolicLink());
  assert.is(readFileSync(real, "utf8"), tidy);
});

test("what does not parse is told and left alone; the other files are done", async () => {
  const place = new Workplace();
  const wrong = "print )\nupdate u {\n  patsh p { }\n}\n";
  const bad = place.file("bad.polus", wrong);
  const good = place.file("good.polus", wild);
  const printed = await place.run("fmt", "bad.polus", "good.polus");
  assert.equal([printed.code, printed.stdout], [1, tidy]);
  const written = await place.run("fmt", "--write", "bad.polus", "good.polus");
  assert.is(written.code, 1);
  assert.match(written.stderr, /^bad\.polus:1:7: error syntax: /);
  assert.match(written.stderr, /^bad\.polus:3:3: error unknown-word: /m);
  assert.match(written.stderr, "did you mean `patch`?");
  assert.is(readFileSync(bad, "utf8"), wrong);
  assert.is(readFileSync(good, "utf8"), tidy);
});

test("files that cannot be read", async () => {
  const place = new Workplace();
  place.file("script.polus", tidy);
  place.file("bytes.polus", Buffer.from([0x2f, 0x2f, 0xff, 0x0a]));
  const missing = await place.run("fmt", "skript.polus");
  assert.is(missing.code, 1);
  assert.match(missing.stderr, /^skript\.polus:1:1: error unreadable-script: .*no such file/);
  assert.match(missing.stderr, "did you mean `script.polus`?");
  assert.match((await place.run("fmt", ".", "--check")).stderr, "it is a directory");
  const bytes = await place.run("fmt", "--write", "bytes.polus");
  assert.is(bytes.code, 1);
  assert.match(bytes.stderr, /^bytes\.polus:1:3: error not-utf8: /);
});

test("a byte order mark stays; line ends become plain ones but for those inside C", async () => {
  const place = new Workplace();
  const text = "\ufeffprint  1\r\nupdate u { patch p { c {\r\n  int x;\r\n} } }\r\n";
  const path = place.file("dos.polus", text);
  assert.is((await place.run("fmt", "--write", "dos.polus")).code, 0);
  const expected = "\ufeffprint 1\nupdate u {\n  patch p {\n    c {\r\n  int x;\r\n}\n  }\n}\n";
  assert.is(readFileSync(path, "utf8"), expected);
  assert.is((await place.run("fmt", "--check", "dos.polus")).code, 0);
});

test("wrong command lines", async () => {
  const place = new Workplace();
  place.file("one.polus", wild);
  const both = await place.run("fmt", "--check", "--write", "one.polus");
  assert.is(both.code, 1);
  assert.match(both.stderr, "`--check` and `--write` exclude each other");
  assert.is((await place.run("fmt")).code, 1);
});

test("a file that changed since it was read is not replaced", () => {
  const place = new Workplace();
  const path = place.file("one.polus", "print 1\n");
  const before = readdirSync(place.folder).sort();
  assert.throws(
    () => replaceFile(path, Buffer.from("print 2\n"), "print 3\n"),
    (error: unknown) => error instanceof ReplaceError && error.message.includes("meanwhile"),
  );
  assert.throws(
    () => replaceFile(join(place.folder, "none"), Buffer.from(""), "x"),
    (error: unknown) => error instanceof ReplaceError,
  );
  assert.is(readFileSync(path, "utf8"), "print 1\n");
  assert.equal(readdirSync(place.folder).sort(), before);
});

test("Prettier itself formats scripts by the plugin", () => {
  assert.ok(existsSync(plugin));
  const exported = import.meta.resolve("polus/prettier-plugin");
  assert.is(fileURLToPath(exported), plugin, "the package exports it");
  const place = new Workplace();
  const one = place.file("one.polus", wild);
  assert.equal(prettier(one), { code: 0, stdout: tidy, stderr: "" });
  assert.is(prettier("--check", one).code, 1);
  assert.is(prettier("--debug-check", one).code, 0);
  assert.is(prettier("--write", one).code, 0);
  assert.is(readFileSync(one, "utf8"), tidy);
  const narrow = prettier("--print-width", "20", "--use-tabs", "--parser", "polus", one).stdout;
  assert.is(narrow, 'print 1, 2 // two\nupdate u {\n\ttarget {\n\t\texe "server"\n\t}\n}\n');
  const bad = prettier(place.file("bad.polus", "print 1\nprint )\n"));
  assert.is(bad.code, 2);
  assert.match(bad.stderr, /SyntaxError: expected an expression, found `\)` \(2:7\)/);
  assert.match(bad.stderr, "> 2 | print )");
});

test("Prettier and the command agree on every expected layout", async () => {
  const place = new Workplace();
  const folder = join(root, "test/lang/format/fixtures");
  const names = readdirSync(folder).filter((name) => name.endsWith(".polus"));
  // Prettier makes plain line ends of all before the plugin sees the text, in C too.
  const plain = names.filter((name) => !readFileSync(join(folder, name), "utf8").includes("\r"));
  const paths = plain.map((name) => place.file(name, readFileSync(join(folder, name), "utf8")));
  assert.is(prettier("--write", "--no-config", "--log-level", "warn", ...paths).code, 0);
  for (const name of plain) {
    const expected = readFileSync(join(folder, name.replace(/\.polus$/, ".expected")), "utf8");
    assert.fixture(readFileSync(join(place.folder, name), "utf8"), expected);
  }
  assert.is((await place.run("fmt", "--check", ...plain)).code, 0);
});

test.run();

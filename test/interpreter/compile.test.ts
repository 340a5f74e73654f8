import { test } from "uvu";
import * as assert from "uvu/assert";
import { readdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  compilePatch,
  parseMessages,
  type CompileRequest,
} from "../../interpreter/patches/compile.js";
import { temporaryFolder } from "./temporary_folder.js";

function request(text: string, more: Partial<CompileRequest> = {}): CompileRequest {
  return {
    text,
    path: "/scripts/a.polus",
    line: 1,
    indent: 0,
    folder: "/",
    compiler: "gcc",
    deadlineMs: 60_000,
    cancel: new AbortController().signal,
    ...more,
  };
}

test("C becomes a shared object, the same bytes each time", async () => {
  const source = 'int counter$a __asm__("counter$a.c");\nint f(int x) { return x + counter$a; }';
  const first = await compilePatch(request(source));
  const second = await compilePatch(request(source));
  if (!first.ok || !second.ok) throw new Error(JSON.stringify([first, second]));
  assert.is(first.bytes.readUInt32BE(0), 0x7f454c46);
  assert.ok(first.bytes.equals(second.bytes), "compiling twice gave different bytes");
  assert.not.ok(first.bytes.includes(`${tmpdir()}/polus-`), "the private folder's name got in");
});

test("a script that has moved gives the same bytes", async () => {
  const source = "const char *f(void) { return __FILE__; }";
  const here = await compilePatch(request(source, { path: "/a/s.polus", folder: "/a" }));
  const there = await compilePatch(request(source, { path: "/b/c/s.polus", folder: "/b/c" }));
  if (!here.ok || !there.ok) throw new Error(JSON.stringify([here, there]));
  assert.ok(here.bytes.equals(there.bytes));
});

test("messages have the place in the script, columns in bytes", async () => {
  const text = "int f(void) {\n\tint ü = 1; return missing;\n}";
  const result = await compilePatch(request(text, { line: 7, indent: 10 }));
  assert.not.ok(result.ok);
  const [message] = result.messages.filter((one) => one.severity === "error");
  assert.match(message?.message ?? "", "missing");
  assert.is(message?.file, "/scripts/a.polus");
  assert.is(message?.line, 8);
  assert.is(message?.column, 21);
});

test("on the first line the column is that of the script", async () => {
  const result = await compilePatch(
    request("int f(void) { return missing; }", { line: 3, indent: 8 }),
  );
  assert.not.ok(result.ok);
  assert.is(result.messages.find((one) => one.severity === "error")?.column, 9 + 21);
});

test("a path with quotes and backslashes is no way into the source", async () => {
  const path = '/scripts/a"\n#error injected\n\\.polus';
  const result = await compilePatch(request("int f(void) { return missing; }", { path }));
  assert.not.ok(result.ok);
  assert.not.ok(result.messages.some((one) => one.message.includes("injected")));
});

test("headers beside the source are found, others by name in messages", async () => {
  const folder = temporaryFolder();
  writeFileSync(join(folder, "mine.h"), "int mine = missing;\n");
  const result = await compilePatch(request('#include "mine.h"\n', { folder }));
  assert.not.ok(result.ok);
  assert.ok(result.messages.some((one) => one.file?.endsWith("mine.h") === true));
});

test("a compiler that is missing, fails or hangs is told", async () => {
  const missing = await compilePatch(request("", { compiler: "no-such-compiler" }));
  assert.not.ok(missing.ok);
  assert.match(missing.messages[0]?.message ?? "", "not installed");
  const failing = await compilePatch(request("", { compiler: "false" }));
  assert.not.ok(failing.ok);
  assert.match(failing.messages[0]?.message ?? "", "exit code 1");
  const hanging = join(temporaryFolder(), "hang");
  writeFileSync(hanging, "#!/bin/sh\nsleep 30 & wait\n", { mode: 0o755 });
  const started = performance.now();
  const late = await compilePatch(request("", { compiler: hanging, deadlineMs: 200 }));
  assert.not.ok(late.ok);
  assert.match(late.messages[0]?.message ?? "", "did not finish within 0.2 s");
  assert.ok(performance.now() - started < 5000, "the compiler's child held us");
  const controller = new AbortController();
  setTimeout(() => controller.abort(), 100);
  const stopped = await compilePatch(request("", { compiler: hanging, cancel: controller.signal }));
  assert.not.ok(stopped.ok);
});

test("nothing stays behind", async () => {
  const ours = (): number =>
    readdirSync(tmpdir()).filter((name) => /^polus-\w{6}$/.test(name)).length;
  const before = ours();
  await compilePatch(request("int f(void) { return 1; }"));
  await compilePatch(request("syntax error"));
  assert.is(ours(), before);
});

test("the compiler's lines are told apart", () => {
  assert.equal(
    parseMessages(
      [
        "a.c: In function 'f':",
        "a.c:3:5: error: first",
        "a.c:4:1: warning: second [-Wx]",
        "a.c:4:1: note: third",
        "a.h:9: fatal error: fourth",
        "/usr/bin/ld: cannot find -lx",
        "collect2: error: ld returned 1 exit status",
        "gcc: fatal error: no input files",
      ].join("\n"),
    ).map(({ severity, file, line, column, message }) => [severity, file, line, column, message]),
    [
      ["error", "a.c", 3, 5, "first"],
      ["warning", "a.c", 4, 1, "second [-Wx]"],
      ["note", "a.c", 4, 1, "third"],
      ["error", "a.h", 9, null, "fourth"],
      ["error", null, null, null, "cannot find -lx"],
      ["error", null, null, null, "ld returned 1 exit status"],
      ["error", null, null, null, "no input files"],
    ],
  );
});

test.run();

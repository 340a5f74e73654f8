/** Recording of builds, and reading of compilation databases. */
import { spawnSync } from "node:child_process";
import { mkdirSync, realpathSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { PatchgenError } from "../../patchgen/error.js";
import type { Tree } from "../../patchgen/model.js";
import { readCompilerCall } from "../../patchgen/trees/compile_command.js";
import { shellWords } from "../../patchgen/trees/shell_words.js";
import { loadTree } from "../../patchgen/trees/tree.js";
import { temporaryFolder } from "../interpreter/temporary_folder.js";

function folderWith(files: Readonly<Record<string, string>>): string {
  const folder = realpathSync(temporaryFolder());
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  return folder;
}

function load(
  folder: string,
  build: string | null,
  environment: Readonly<Record<string, string | undefined>> = process.env,
): Promise<Tree> {
  return loadTree({ folder, build, environment, cancel: new AbortController().signal });
}

async function failure(work: Promise<unknown>): Promise<PatchgenError> {
  try {
    await work;
  } catch (error) {
    if (error instanceof PatchgenError) return error;
    throw error;
  }
  throw new Error("nothing was refused");
}

const makefile = `CC = gcc
OBJS = a.o sub/b.o pic.o
prog: $(OBJS)
\t$(CC) -o $@ $(OBJS)
%.o: %.c
\t$(CC) -O2 -DNAME='"a b"' -MD -MF $@.d -c $< -o $@
pic.o: pic.c
\t$(CC) -fPIC -DPIC -O2 -c pic.c -o .pic.o
\t$(CC) -O2 -c pic.c -o pic.o
`;

test("a build is recorded: each file once, options without what is about output", async () => {
  const folder = folderWith({
    Makefile: makefile,
    "a.c": "int main(void){return 0;}\n",
    "sub/b.c": "int b;\n",
    "pic.c": "int p;\n",
  });
  const tree = await load(folder, "make -j4");
  assert.equal(
    tree.units.map((unit) => unit.source),
    ["a.c", "pic.c", "sub/b.c"],
  );
  const [a, pic, b] = tree.units;
  assert.equal(a?.arguments.slice(1), ["-O2", '-DNAME="a b"']);
  assert.equal(pic?.arguments.slice(1), ["-fPIC", "-DPIC", "-O2"]);
  assert.is(pic?.object, join(folder, ".pic.o"));
  assert.is(b?.object, join(folder, "sub/b.o"));
  assert.is(b?.directory, folder);
});

test("configure's probes and files elsewhere are no part of the program", async () => {
  const outside = folderWith({ "probe.c": "int x;\n" });
  const folder = folderWith({ "a.c": "int a;\n", "conftest.c": "int c;\n" });
  const command = `gcc -c conftest.c -o conftest.o && gcc -c ${outside}/probe.c -o p.o && gcc -E a.c >a.i && cc -c a.c`;
  const tree = await load(folder, command);
  assert.equal(
    tree.units.map((unit) => unit.source),
    ["a.c"],
  );
});

test("a compiler given by an absolute CC is recorded all the same", async () => {
  const folder = folderWith({ "a.c": "int a;\n" });
  const gcc = spawnSync("/bin/sh", ["-c", "command -v gcc"], { encoding: "utf8" }).stdout.trim();
  const tree = await load(folder, "$CC -c a.c", { ...process.env, CC: gcc });
  assert.is(tree.units.length, 1);
});

test("a compilation database is read, as arguments and as command", async () => {
  const folder = folderWith({ "a.c": "int a;\n", "build/.keep": "", "b.c": "int b;\n" });
  const entries = [
    { directory: join(folder, "build"), file: "../a.c", arguments: ["cc", "-O1", "-c", "../a.c"] },
    { directory: folder, file: "b.c", command: `cc -D'X=a b' "-DY=\\"q\\"" -o b.o -c b.c` },
  ];
  writeFileSync(join(folder, "build/compile_commands.json"), JSON.stringify(entries));
  const tree = await load(folder, null);
  assert.equal(
    tree.units.map((unit) => unit.source),
    ["a.c", "b.c"],
  );
  assert.equal(tree.units[1]?.arguments, ["cc", "-DX=a b", '-DY="q"']);
  assert.is(tree.units[0]?.object, join(folder, "build/a.o"));
});

test("bad trees are refused with what to do", async () => {
  const empty = folderWith({ "a.c": "int a;\n" });
  const cases: readonly (readonly [string, () => Promise<unknown>])[] = [
    ["NO_SUCH_TREE", () => load(join(empty, "nowhere"), null)],
    ["NO_COMPILE_COMMANDS", () => load(empty, null)],
    ["BUILD_FAILED", () => load(empty, "echo it is broken; exit 3")],
    ["NOTHING_COMPILED", () => load(empty, "true")],
    ["NO_COMPILER", () => load(empty, "cc -c a.c", { PATH: "/nowhere" })],
    ["LINK_TIME_OPTIMISATION", () => load(empty, "cc -flto -c a.c")],
    [
      "BAD_COMPILE_COMMANDS",
      () => load(folderWith({ "compile_commands.json": '[{"directory":"."}]' }), null),
    ],
  ];
  for (const [code, work] of cases) {
    const error = await failure(work());
    assert.is(error.code, code);
    assert.is(error.kind, "invalid");
    assert.ok(error.details.help);
    if (code === "BUILD_FAILED") assert.match(error.details.help ?? "", /it is broken/);
  }
});

test("LTO that is taken back is none; C++ is told apart", async () => {
  const folder = folderWith({ "a.c": "int a;\n", "b.cc": "int b;\n" });
  const tree = await load(folder, "cc -flto -fno-lto -c a.c && g++ -c b.cc");
  assert.equal(
    tree.others.map((unit) => unit.source),
    ["b.cc"],
  );
});

test("compiler calls are taken apart", () => {
  const call = readCompilerCall(
    ["ccache", "gcc", "-I", "x", "-include", "c.h", "-Wp,-MD,.d", "-o", "m", "a.c", "-lz", "-pie"],
    "/w",
  );
  assert.equal(call.arguments, ["gcc", "-I", "x", "-include", "c.h"]);
  assert.equal(call.sources, [{ path: "/w/a.c", language: "c" }]);
  assert.is(call.output, "/w/m");
  assert.is(readCompilerCall(["gcc", "-x", "c++", "a.c"], "/w").sources[0]?.language, "c++");
  assert.is(readCompilerCall(["gcc", "--version"], "/w").makes, "nothing");
});

test("words are split as a shell splits them", () => {
  assert.equal(shellWords(`a 'b c' "d\\"e" f\\ g ''`), ["a", "b c", 'd"e', "f g", ""]);
  assert.is(shellWords("a 'b"), null);
});

test.run();

/** Debug information: DWARF in its forms, separate files, mini debug information. */
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { addon, type ModuleHandle } from "../../native/addon/addon.js";
import { targetSource } from "../support/repository.js";
import {
  commonFlags,
  fixed,
  listed,
  loadAddress,
  only,
  open,
  pie,
  program,
  settle,
  sources,
} from "../support/symbol_programs.js";
import { build, buildIdOf, runTool, stripped } from "../support/toolchain.js";

const scratch = mkdtempSync(join(tmpdir(), "polus-debug-"));
process.on("exit", () => rmSync(scratch, { recursive: true, force: true }));

/** Expects all symbols and sources through a debug file. */
function expectDebugFile(module: ModuleHandle, path: string | RegExp): void {
  const info = addon.moduleInfo(module);
  assert.match(info.debugFile ?? "none", path);
  assert.ok(info.hasSymtab && info.hasDwarf);
  const helper = addon.findSymbols(module, "helper").find(({ file }) => file === "symbols_two.c");
  if (helper === undefined) throw new Error("no helper of symbols_two.c");
  assert.match(addon.sourceOf(module, helper.address) ?? "none", /\/elf\/symbols_two\.c$/);
  assert.is(only(addon.findSymbols(module, "hidden_function")).kind, "func");
}

test("the source file by DWARF, compressed or not, of old and new versions", () => {
  for (const flags of [[], ["-gz"], ["-gdwarf-4"], ["-gno-as-loc-support"]]) {
    const module = open(program("-fPIE", "-pie", ...flags));
    for (const file of ["symbols_one.c", "symbols_two.c"]) {
      const helper = addon.findSymbols(module, "helper").find((symbol) => symbol.file === file);
      assert.is(
        addon.sourceOf(module, helper?.address ?? 0n),
        targetSource(`elf/${file}`),
        flags.join(" "),
      );
    }
    assert.is(addon.sourceOf(module, 0n), null);
  }
  const without = open(build({ name: "symbols", sources, flags: ["-O1", "-g0"] }));
  assert.is(addon.sourceOf(without, only(addon.findSymbols(without, "main")).address), null);
  assert.is(addon.moduleInfo(without).hasDwarf, false);
});

test("the source file by DWARF in split files, there or missing", () => {
  const folder = join(scratch, "split");
  mkdirSync(folder);
  const path = join(folder, "symbols");
  runTool("gcc", [...sources, ...commonFlags, "-gsplit-dwarf", "-o", path]);
  const splitFiles = readdirSync(folder).filter((name) => name.endsWith(".dwo"));
  assert.is(splitFiles.length, 2);
  const source = (): string | null => {
    const module = open(path);
    return addon.sourceOf(module, only(addon.findSymbols(module, "original")).address);
  };
  assert.is(source(), targetSource("elf/symbols_one.c"));
  for (const name of splitFiles) {
    unlinkSync(join(folder, name));
    // Opening this would wait for a writer.
    runTool("mkfifo", [join(folder, name)]);
  }
  assert.is(source(), null);
});

test("separate debug files by link, beside the program and in .debug", () => {
  for (const kind of ["debuglink", "debug-folder"] as const) {
    const path = stripped(pie, kind);
    expectDebugFile(
      open(path),
      kind === "debuglink" ? /\/symbols\.debug$/ : /\/\.debug\/symbols\.debug$/,
    );
  }
});

test("a debug file by build-id, below the target's root, which it cannot leave", () => {
  const id = buildIdOf(pie);
  if (id === null) throw new Error("no build-id");
  const bare = stripped(pie, "bare");
  assert.is(addon.moduleInfo(open(bare)).debugFile, null);
  assert.is(addon.moduleInfo(open(bare)).hasSymtab, false);
  assert.ok(
    addon.findSymbols(open(bare), "original").length === 1,
    "exported ones are still there",
  );
  assert.equal(addon.findSymbols(open(bare), "helper"), []);

  const root = join(scratch, "root");
  const folder = join(root, "usr/lib/debug/.build-id", id.slice(0, 2));
  mkdirSync(folder, { recursive: true });
  const debugFile = join(folder, `${id.slice(2)}.debug`);
  runTool("objcopy", ["--only-keep-debug", pie, debugFile]);
  expectDebugFile(open(bare, root), new RegExp(`^${debugFile}$`));
  expectDebugFile(open(bare, `${root}/`), new RegExp(`^${debugFile}$`));
  // An absolute link is followed as the target would follow it.
  copyFileSync(debugFile, join(root, "moved.debug"));
  unlinkSync(debugFile);
  runTool("ln", ["-s", "/moved.debug", debugFile]);
  expectDebugFile(open(bare, root), new RegExp(`^${debugFile}$`));
  unlinkSync(debugFile);
  runTool("ln", ["-s", join(root, "moved.debug"), debugFile]);
  assert.is(addon.moduleInfo(open(bare, root)).debugFile, null);
  unlinkSync(debugFile);
  // Another build's file is not taken, nor is rubbish.
  runTool("objcopy", ["--only-keep-debug", fixed, debugFile]);
  assert.is(addon.moduleInfo(open(bare, root)).debugFile, null);
  writeFileSync(debugFile, "rubbish");
  assert.is(addon.moduleInfo(open(bare, root)).debugFile, null);
});

test("a debug file that is installed, replaced or removed after its program was read", async () => {
  const id = buildIdOf(pie);
  if (id === null) throw new Error("no build-id");
  const bare = stripped(pie, "bare");
  const root = join(scratch, "later");
  const folder = join(root, "usr/lib/debug/.build-id", id.slice(0, 2));
  const debugFile = join(folder, `${id.slice(2)}.debug`);
  mkdirSync(folder, { recursive: true });
  const found = (): string | null => addon.moduleInfo(open(bare, root)).debugFile;
  await settle();
  assert.is(found(), null);
  runTool("objcopy", ["--only-keep-debug", pie, debugFile]);
  expectDebugFile(open(bare, root), debugFile);
  await settle();
  expectDebugFile(open(bare, root), debugFile);
  assert.is(addon.moduleInfo(open(bare)).debugFile, null);
  writeFileSync(debugFile, "rubbish");
  assert.is(found(), null);
  await settle();
  assert.is(found(), null);
  unlinkSync(debugFile);
  assert.is(found(), null);
});

test("a debug link with the wrong checksum is not taken", () => {
  const noId = program("-fPIE", "-pie", "-Wl,--build-id=none");
  const path = stripped(noId, "debuglink");
  assert.match(addon.moduleInfo(open(path)).debugFile ?? "none", /symbols\.debug$/);
  const folder = join(scratch, "checksum");
  mkdirSync(folder);
  copyFileSync(path, join(folder, "symbols"));
  const debug = readFileSync(join(dirname(path), "symbols.debug"));
  debug[debug.length - 1] = (debug[debug.length - 1] ?? 0) ^ 1;
  writeFileSync(join(folder, "symbols.debug"), debug);
  assert.is(addon.moduleInfo(open(join(folder, "symbols"))).debugFile, null);
});

test("symbols from compressed mini debug information", () => {
  const full = program("-fPIE", "-pie");
  const folder = join(scratch, "mini");
  mkdirSync(folder);
  const [debug, mini, path] = ["debug", "mini", "symbols"].map((name) => join(folder, name));
  if (debug === undefined || mini === undefined || path === undefined) throw new Error();
  runTool("objcopy", ["--only-keep-debug", full, debug]);
  runTool("objcopy", [
    "-S",
    "--remove-section=.comment",
    "--keep-symbol=helper",
    "--keep-symbol=hidden_function",
    debug,
    mini,
  ]);
  runTool("xz", ["-k", mini]);
  copyFileSync(full, path);
  runTool("strip", [path]);
  runTool("objcopy", ["--add-section", `.gnu_debugdata=${mini}.xz`, path]);
  const module = open(path);
  const wanted = listed(full)
    .filter(({ name }) => name === "helper")
    .map(({ address }) => address + loadAddress);
  assert.equal(
    new Set(addon.findSymbols(module, "helper").map(({ address }) => address)),
    new Set(wanted),
  );
  assert.ok(addon.moduleInfo(module).hasSymtab);
  // Damaged, it is as good as none.
  const damaged = readFileSync(`${mini}.xz`);
  damaged.fill(0x55, 100);
  writeFileSync(`${mini}.bad`, damaged);
  runTool("objcopy", ["--update-section", `.gnu_debugdata=${mini}.bad`, path]);
  assert.equal(addon.findSymbols(open(path), "helper"), []);
});

test("no descriptor stays open, whatever was asked", () => {
  const count = (): number => readdirSync("/proc/self/fd").length;
  const paths = [pie, stripped(pie, "debuglink"), program("-fPIE", "-pie", "-gz")];
  const before = count();
  const modules = Array.from({ length: 10 }, () => paths.map((path) => open(path))).flat();
  for (const module of modules) {
    const [main] = addon.findSymbols(module, "main");
    assert.match(addon.sourceOf(module, main?.address ?? 0n) ?? "none", /symbols_one\.c$/);
    addon.moduleInfo(module);
  }
  // At most one a module, for a separate debug file whose DWARF was read.
  assert.ok(count() - before <= modules.length, `${count() - before}`);
});

test.run();

/** Modules: symbols, debug files, relocations, contents; checked against the system's own tools. */
import { spawn } from "node:child_process";
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { addon, type ElfSymbol, type ModuleHandle } from "../../native/addon/addon.js";
import { targetSource } from "../support/repository.js";
import { build, buildIdOf, runTool, stripped } from "../support/toolchain.js";

const scratch = mkdtempSync(join(tmpdir(), "polus-symbols-"));
process.on("exit", () => rmSync(scratch, { recursive: true, force: true }));

const sources = ["elf/symbols_one.c", "elf/symbols_two.c"].map(targetSource);
const common = ["-std=gnu11", "-O1", "-g"];
const loadAddress = 0x5555_0000_0000n;

function program(...flags: string[]): string {
  return build({ name: "symbols", sources, flags: [...common, ...flags] });
}

const pie = program("-fPIE", "-pie", "-rdynamic");
const fixed = program("-fno-pie", "-no-pie");

function open(path: string, root?: string): ModuleHandle {
  const base = path === fixed ? 0x400000n : loadAddress;
  return addon.openModule(path, { loadAddress: base, ...(root === undefined ? {} : { root }) });
}

function codeOf(attempt: () => unknown): string {
  try {
    attempt();
  } catch (error) {
    if (error instanceof Error && "code" in error && typeof error.code === "string")
      return error.code;
    throw error;
  }
  return "no error";
}

function only(symbols: readonly ElfSymbol[]): ElfSymbol {
  const [symbol, ...more] = symbols;
  if (symbol === undefined || more.length > 0) throw new Error(JSON.stringify(symbols.length));
  return symbol;
}

/** Every defined symbol as nm lists it: name, link-time address, letter. */
function listed(path: string): { name: string; address: bigint; letter: string }[] {
  return runTool("nm", ["--defined-only", path])
    .split("\n")
    .flatMap((line) => {
      const [, address, letter, name] = /^([0-9a-f]+) (\S) (\S+)$/.exec(line) ?? [];
      if (address === undefined || letter === undefined || name === undefined) return [];
      return [{ name, address: BigInt(`0x${address}`), letter }];
    });
}

test("every symbol that nm lists is found, where the module was loaded", () => {
  for (const [path, base] of [
    [pie, loadAddress],
    [fixed, 0x400000n],
  ] as const) {
    const module = addon.openModule(path, { loadAddress: base });
    const { bias } = addon.moduleInfo(module);
    assert.is(bias, path === pie ? loadAddress : 0n);
    const symbols = listed(path);
    assert.ok(symbols.length > 30);
    for (const { name, address, letter } of symbols) {
      if (letter === "a") continue;
      const isTls = name.startsWith("tls_");
      const found = addon.findSymbols(module, name.split("@")[0] ?? name);
      assert.ok(
        found.some((symbol) => symbol.address === (isTls ? address : address + bias)),
        `${name} of ${path}`,
      );
    }
  }
});

test("kinds, bindings, visibility, sizes", () => {
  const module = open(pie);
  const expect = (name: string, fields: Partial<ElfSymbol>): void => {
    const symbol = only(addon.findSymbols(module, name));
    for (const [key, value] of Object.entries(fields)) {
      assert.equal(
        Object.entries(symbol).find(([field]) => field === key)?.[1],
        value,
        `${name}.${key}`,
      );
    }
  };
  expect("original", { kind: "func", binding: "global", dynamic: true, file: null, version: null });
  expect("weak_function", { kind: "func", binding: "weak", dynamic: true });
  expect("hidden_function", { kind: "func", binding: "local", dynamic: false });
  expect("indirect", { kind: "ifunc" });
  expect("shared_total", { kind: "object", size: 4, dynamic: true, defaultVersion: true });
  expect("big_table", { kind: "object", size: 20000, binding: "local", file: "symbols_one.c" });
  expect("tls_second", { kind: "tls", size: 4 });
  assert.is(only(addon.findSymbols(open(fixed), "hidden_function")).visibility, "hidden");
  // Aliases have the same address, but are found only by their own name.
  const [original, alias] = ["original", "other_name"].map((name) =>
    only(addon.findSymbols(module, name)),
  );
  assert.is(original?.address, alias?.address);
  assert.equal(addon.findSymbols(module, "no such name"), []);
  const first = only(addon.findSymbols(module, "tls_first"));
  assert.ok(first.address < 64n);
  assert.ok((addon.moduleInfo(module).tls?.memorySize ?? 0) >= 8);
});

test("static things of one name are told apart by their file", () => {
  const module = open(fixed);
  for (const name of ["counter", "helper"]) {
    const files = addon.findSymbols(module, name).map(({ file }) => file);
    assert.equal(files.sort(), ["symbols_one.c", "symbols_two.c"]);
  }
});

test("versions, the default one and the other", () => {
  const library = build({
    name: "libversions.so",
    sources: [targetSource("elf/versions.c")],
    flags: [
      "-shared",
      "-fPIC",
      `-Wl,--version-script=${targetSource("elf/versions.map")}`,
      "-Wl,-soname,libv.so",
    ],
  });
  const check = (module: ModuleHandle): void => {
    const answers = addon.findSymbols(module, "answer");
    assert.equal(
      answers
        .filter(({ dynamic }) => dynamic)
        .map(({ version, defaultVersion }) => `${version} ${defaultVersion}`)
        .sort(),
      ["VERSION_1 false", "VERSION_2 true"],
    );
    assert.is(answers.length, 2);
    assert.is(only(addon.findSymbols(module, "plain")).version, "VERSION_1");
    assert.is(addon.moduleInfo(module).soname, "libv.so");
  };
  check(open(library));
  check(open(stripped(library, "bare")));
});

test("the C library's own memcpy: versions and indirect functions", () => {
  const [, path] = /=> (\S*libc\.so\.6)/.exec(runTool("ldd", [pie])) ?? [];
  if (path === undefined) throw new Error("no C library");
  const module = open(path);
  const found = addon.findSymbols(module, "memcpy").filter(({ dynamic }) => dynamic);
  const wanted = runTool("readelf", ["-W", "--dyn-syms", path])
    .split("\n")
    .flatMap((line) => {
      const [, value, size, kind, at, version] =
        /:\s+([0-9a-f]+)\s+(\d+)\s+(\S+)\s+\S+\s+\S+\s+\S+\s+memcpy(@@?)(\S+)/.exec(line) ?? [];
      if (value === undefined) return [];
      return [`${BigInt(`0x${value}`) + loadAddress} ${size} ${kind} ${at === "@@"} ${version}`];
    });
  assert.ok(wanted.length > 0);
  assert.equal(
    found
      .map((symbol) => {
        const kind = symbol.kind === "ifunc" ? "IFUNC" : "FUNC";
        return `${symbol.address} ${symbol.size} ${kind} ${symbol.defaultVersion} ${symbol.version}`;
      })
      .sort(),
    wanted.sort(),
  );
  assert.ok(addon.functionNames(module).includes("malloc"));
});

test("the symbol that covers an address, and where the next function starts", () => {
  const module = open(fixed);
  const { start } = addon.moduleInfo(module);
  const original = only(addon.findSymbols(module, "original"));
  for (const offset of [0n, 1n, BigInt(original.size) - 1n]) {
    const name = addon.symbolAt(module, original.address + offset)?.name;
    assert.ok(name === "original" || name === "other_name", name);
  }
  assert.is(addon.symbolAt(module, start - 1n), null);
  assert.is(addon.symbolAt(module, 0n), null);
  const table = only(addon.findSymbols(module, "big_table"));
  assert.is(addon.symbolAt(module, table.address + 19999n)?.name, "big_table");

  const starts = listed(fixed)
    .filter(({ letter }) => "tTwWi".includes(letter))
    .map(({ address }) => address)
    .sort((left, right) => (left < right ? -1 : 1));
  const next = addon.nextFunctionStart(module, original.address);
  assert.is(
    next,
    starts.find((address) => address > original.address),
  );
  const text = addon
    .moduleInfo(module)
    .text.find((range) => original.address >= range.start && original.address < range.end);
  if (text === undefined) throw new Error("no text");
  assert.is(addon.nextFunctionStart(module, text.end - 1n), text.end);
  assert.is(
    codeOf(() => addon.nextFunctionStart(module, table.address)),
    "OUT_OF_RANGE",
  );
  // A stripped file still tells its functions apart by call frame information.
  const bare = open(stripped(fixed, "bare"));
  assert.is(
    addon.nextFunctionStart(bare, original.address + addon.moduleInfo(bare).bias),
    next + addon.moduleInfo(bare).bias,
  );
});

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
  runTool("gcc", [...sources, ...common, "-gsplit-dwarf", "-o", path]);
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

test("what the file holds, and nothing for memory that it does not hold", () => {
  const module = open(pie);
  const bytes = readFileSync(pie);
  const { bias, start, end, text, machine, elfClass, type } = addon.moduleInfo(module);
  assert.equal([machine, elfClass, type], [62, 64, "dyn"]);
  assert.equal(addon.fileBytes(module, start, 64), bytes.subarray(0, 64));
  // Text has the same offset as address in this layout, which readelf confirms.
  const [, offset, address] =
    /LOAD\s+0x([0-9a-f]+)\s+0x([0-9a-f]+)\s+\S+\s+\S+\s+\S+\s+R E/.exec(
      runTool("readelf", ["-lW", pie]),
    ) ?? [];
  const at = Number.parseInt(offset ?? "", 16);
  assert.is(text[0]?.start, BigInt(`0x${address ?? ""}`) + bias);
  assert.equal(addon.fileBytes(module, text[0]?.start ?? 0n, 200), bytes.subarray(at, at + 200));
  assert.is(addon.fileBytes(module, start, 0).length, 0);
  const zeros = only(addon.findSymbols(module, "big_table"));
  for (const [from, length] of [
    [zeros.address, 8],
    [start - 8n, 8],
    [end, 1],
    [start, 1 << 29],
    [0n, 1],
  ] as const) {
    assert.is(
      codeOf(() => addon.fileBytes(module, from, length)),
      "OUT_OF_RANGE",
    );
  }
});

test("relocations, plain and packed, agree with readelf", () => {
  for (const flags of [
    ["-fPIE", "-pie"],
    ["-fPIE", "-pie", "-Wl,-z,pack-relative-relocs"],
    ["-fPIE", "-pie", "-s"],
  ]) {
    const path = program(...flags);
    const module = open(path);
    const found = addon.moduleRelocations(module);
    const listing = runTool("readelf", ["-rW", path]);
    const wanted = [
      ...listing.matchAll(/^([0-9a-f]{16})\s+[0-9a-f]{16}\s+R_X86_64_(\S+)\s+(.*)$/gm),
    ].map((match) => ({
      address: BigInt(`0x${match[1] ?? ""}`) + loadAddress,
      rest: match[3] ?? "",
    }));
    // A packed table: one address a line.
    const packed = [...listing.matchAll(/^\s*(?:\d+:\s+)?([0-9a-f]{16})$/gm)].map(
      (match) => BigInt(`0x${match[1] ?? ""}`) + loadAddress,
    );
    assert.ok(wanted.length + packed.length > 5);
    assert.is(found.length, wanted.length + packed.length, flags.join(" "));
    for (const { address, rest } of wanted) {
      const relocation = found.find((one) => one.address === address);
      if (relocation === undefined) throw new Error(`no relocation at ${address}`);
      if (relocation.symbol !== null) assert.ok(rest.includes(relocation.symbol));
    }
    for (const address of packed) {
      assert.is(found.find((one) => one.address === address)?.type, 8);
    }
    const total = listed(program("-fPIE", "-pie")).find(({ name }) => name === "shared_total");
    assert.ok(
      found.some(({ type, addend }) => type === 8 && addend === total?.address) ||
        flags.includes("-s") ||
        packed.length > 0,
    );
  }
});

test("a running program whose file was deleted", async () => {
  const path = join(scratch, "deleted");
  copyFileSync(pie, path);
  runTool("chmod", ["+x", path]);
  const child = spawn(path, ["wait"], { stdio: "ignore" });
  try {
    const deadline = Date.now() + 10_000;
    while (basename(readlinkSync(`/proc/${child.pid}/exe`)) !== "deleted") {
      if (Date.now() > deadline) throw new Error("the program does not start");
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    unlinkSync(path);
    const maps = readFileSync(`/proc/${child.pid}/maps`, "utf8");
    const [, start] = /^([0-9a-f]+)-\S+ \S+ 00000000 .*deleted/m.exec(maps) ?? [];
    const module = addon.openModule(`/proc/${child.pid}/exe`, {
      loadAddress: BigInt(`0x${start ?? ""}`),
    });
    assert.is(addon.moduleInfo(module).buildId, buildIdOf(pie));
    assert.is(only(addon.findSymbols(module, "original")).kind, "func");
  } finally {
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await ended;
  }
});

test("bad files are refused with stable codes", () => {
  const write = (name: string, bytes: Uint8Array | string): string => {
    const path = join(scratch, name);
    writeFileSync(path, bytes);
    return path;
  };
  const whole = readFileSync(pie);
  assert.is(
    codeOf(() => open(join(scratch, "nothing"))),
    "NO_SUCH_FILE",
  );
  assert.is(
    codeOf(() => open(`${pie}/below`)),
    "NO_SUCH_FILE",
  );
  assert.is(
    codeOf(() => open(scratch)),
    "NOT_A_FILE",
  );
  assert.is(
    codeOf(() => open("/dev/null")),
    "NOT_A_FILE",
  );
  assert.is(
    codeOf(() => open(write("empty", ""))),
    "NOT_ELF",
  );
  assert.is(
    codeOf(() => open(write("text", "#!/bin/sh\n"))),
    "NOT_ELF",
  );
  assert.is(
    codeOf(() => open(write("magic", whole.subarray(0, 4)))),
    "TRUNCATED_ELF",
  );
  assert.is(
    codeOf(() => open(write("header", whole.subarray(0, 63)))),
    "TRUNCATED_ELF",
  );
  assert.is(
    codeOf(() => open(write("half", whole.subarray(0, whole.length / 2)))),
    "TRUNCATED_ELF",
  );
  const pipe = join(scratch, "pipe");
  runTool("mkfifo", [pipe]);
  assert.is(
    codeOf(() => open(pipe)),
    "NOT_A_FILE",
  );
  const object = build({
    name: "two.o",
    sources: [targetSource("elf/symbols_two.c")],
    flags: ["-c"],
  });
  assert.is(
    codeOf(() => open(object)),
    "NOT_LOADABLE",
  );
  const huge = write("huge", whole);
  truncateSync(huge, 3 * 2 ** 30);
  assert.is(
    codeOf(() => open(huge)),
    "FILE_TOO_LARGE",
  );
  assert.is(
    codeOf(() => addon.openModule(pie, { loadAddress: -1n })),
    "INVALID_ARGUMENT",
  );
  assert.is(
    codeOf(() => addon.openModule("a\0b", { loadAddress: 0n })),
    "INVALID_ARGUMENT",
  );
  // A 32-bit file can be described, so that the refusal can say what it is.
  const narrow = Buffer.from(whole);
  narrow.writeUInt16LE(3, 18);
  const module = open(write("other-machine", narrow));
  assert.is(addon.moduleInfo(module).machine, 3);
  assert.is(
    codeOf(() => addon.branchesInto(module, [])),
    "WRONG_MACHINE",
  );
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

test("symbols of a large file are read in a moment", () => {
  const module = addon.openModule(process.execPath, { loadAddress: 0x400000n });
  const start = performance.now();
  const names = addon.functionNames(module);
  const first = performance.now() - start;
  const again = performance.now();
  for (let round = 0; round < 1000; ++round) addon.findSymbols(module, "malloc");
  assert.ok(performance.now() - again < 500, "found by name without a search");
  assert.ok(names.length > 1000);
  assert.ok(first < 5000, `${first} ms for ${names.length} names`);
});

test.run();

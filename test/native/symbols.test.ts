/** Modules: symbols, relocations, contents; checked against the system's own tools. */
import { spawn } from "node:child_process";
import {
  copyFileSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { addon, type ElfSymbol, type ModuleHandle } from "../../native/addon/addon.js";
import { codeOf } from "../support/failures.js";
import { targetSource } from "../support/repository.js";
import {
  fixed,
  listed,
  loadAddress,
  only,
  open,
  pie,
  program,
  settle,
} from "../support/symbol_programs.js";
import { build, buildIdOf, runTool, stripped } from "../support/toolchain.js";

const scratch = mkdtempSync(join(tmpdir(), "polus-symbols-"));
process.on("exit", () => rmSync(scratch, { recursive: true, force: true }));

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

test("a file that was read before is read anew once it has changed, whatever its size and name", async () => {
  const path = join(scratch, "changing");
  const [before, after] = ["int first_name = 1;", "int other_name = 1;"].map((code, number) => {
    const source = join(scratch, `changing_${number}.c`);
    writeFileSync(source, code);
    const object = join(scratch, `changing_${number}.so`);
    runTool("gcc", ["-shared", "-fPIC", "-Wl,--build-id=none", source, "-o", object]);
    return readFileSync(object);
  });
  assert.ok(before !== undefined && after !== undefined && before.length === after.length);
  writeFileSync(path, before);
  await settle();
  const at = (loadAddress: bigint): ModuleHandle => addon.openModule(path, { loadAddress });
  const first = only(addon.findSymbols(at(0x10000n), "first_name")).address;
  assert.is(only(addon.findSymbols(at(0x70000n), "first_name")).address, first + 0x60000n);
  writeFileSync(path, after);
  for (const wait of [() => Promise.resolve(), settle]) {
    await wait();
    const changed = at(0x10000n);
    assert.equal(addon.findSymbols(changed, "first_name"), []);
    assert.is(only(addon.findSymbols(changed, "other_name")).address, first);
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

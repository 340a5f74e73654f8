/** Patch objects, checked against readelf, and refusals of what is malformed. */
import { readFileSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { addon, type PatchObject } from "../../native/addon/addon.js";
import { codeOf } from "../support/failures.js";
import { targetSource } from "../support/repository.js";
import { build, runTool, stripped } from "../support/toolchain.js";

function object(name: string, ...flags: string[]): string {
  return build({
    name,
    sources: [targetSource("elf/patch_object.c")],
    flags: ["-std=gnu11", "-O2", "-fno-builtin", "-shared", "-fPIC", ...flags],
  });
}

const plain = object("plain.so", "-DWITH_TABLE");

function read(path: string): PatchObject {
  return addon.readPatchObject(readFileSync(path));
}

test("segments, as readelf lists them", () => {
  const patch = read(plain);
  assert.equal([patch.machine, patch.elfClass, patch.type], [62, 64, "dyn"]);
  const bytes = readFileSync(plain);
  const wanted = [
    ...runTool("readelf", ["-lW", plain]).matchAll(
      /LOAD\s+0x(\w+)\s+0x(\w+)\s+0x\w+\s+0x(\w+)\s+0x(\w+)\s+(R?)\s?(W?)\s?(E?)\s+0x(\w+)/g,
    ),
  ].map(([, offset, address, fileSize, memorySize, r, w, x, alignment]) => {
    const start = Number.parseInt(offset ?? "", 16);
    return {
      address: BigInt(`0x${address ?? ""}`),
      memorySize: Number.parseInt(memorySize ?? "", 16),
      alignment: Number.parseInt(alignment ?? "", 16),
      read: r === "R",
      write: w === "W",
      execute: x === "E",
      contents: bytes.subarray(start, start + Number.parseInt(fileSize ?? "", 16)),
    };
  });
  assert.ok(wanted.length >= 2);
  assert.equal(patch.segments, wanted);
  const data = patch.segments.find((segment) => segment.write);
  assert.ok(data !== undefined && data.memorySize > data.contents.length + 4000 - 64);
  assert.ok(patch.relro !== null && patch.relro.size > 0);
  assert.equal(patch.needed, ["libc.so.6"]);
  assert.is(patch.hasTls, false);
});

test("symbols, defined and wanted, with versions", () => {
  const patch = read(plain);
  const named = (name: string): PatchObject["symbols"][number] => {
    const found = patch.symbols.filter((symbol) => symbol.name === name);
    assert.is(found.length, 1, name);
    const [symbol] = found;
    if (symbol === undefined) throw new Error(name);
    return symbol;
  };
  assert.equal(named("target_variable"), {
    name: "target_variable",
    address: 0n,
    size: 0,
    kind: "notype",
    binding: "global",
    defined: false,
    version: null,
    dynamic: true,
  });
  assert.is(named("target_function").defined, false);
  assert.is(named("memcpy").version, "GLIBC_2.14");
  assert.is(named("printf").version, "GLIBC_2.2.5");
  for (const name of ["replacement", "own_pointer", "own_zeros"]) {
    assert.ok(named(name).defined && named(name).dynamic, name);
  }
  assert.equal(
    [named("own_static").binding, named("own_static").dynamic, named("own_static").kind],
    ["local", false, "object"],
  );
  // Every address is the one that nm prints.
  for (const line of runTool("nm", ["--defined-only", plain]).trim().split("\n")) {
    const [address, letter, name] = line.split(" ");
    if (letter === "a" || name === undefined) continue;
    const wanted = BigInt(`0x${address ?? ""}`);
    assert.ok(
      patch.symbols.some((symbol) => symbol.name === name && symbol.address === wanted),
      name,
    );
  }
  // Stripped, the dynamic ones remain.
  const bare = read(stripped(plain, "bare"));
  assert.ok(bare.symbols.every((symbol) => symbol.dynamic));
  assert.ok(bare.symbols.some((symbol) => symbol.name === "replacement" && symbol.defined));
});

test("relocations name their symbols", () => {
  for (const flags of [[], ["-Wl,-z,pack-relative-relocs"], ["-Wl,-z,now"], ["-mcmodel=large"]]) {
    const path = object("relocations.so", "-DWITH_TABLE", ...flags);
    const patch = read(path);
    const listing = runTool("readelf", ["-rW", path]);
    const wanted = [
      ...listing.matchAll(/^([0-9a-f]{16})\s+([0-9a-f]{16})\s+R_X86_64_(\S+)\s+(.*)$/gm),
    ].map(([, address, info, , rest]) => ({
      address: BigInt(`0x${address ?? ""}`),
      type: Number(BigInt(`0x${info ?? ""}`) & 0xffffffffn),
      name: /^[0-9a-f]{16}\s+([^@\s]+)/.exec(rest ?? "")?.[1] ?? null,
    }));
    const packed = [...listing.matchAll(/^\s*(?:\d+:\s+)?([0-9a-f]{16})$/gm)].map((match) => ({
      address: BigInt(`0x${match[1] ?? ""}`),
      type: 8,
      name: null,
    }));
    const all = [...wanted, ...packed];
    assert.is(patch.relocations.length, all.length, flags.join(" "));
    for (const { address, type, name } of all) {
      const found = patch.relocations.find((relocation) => relocation.address === address);
      assert.is(found?.type, type);
      assert.is(found?.symbol === -1 ? null : patch.symbols[found?.symbol ?? -2]?.name, name);
    }
    // The pointer to a static variable, wherever its addend is kept.
    const pointer = patch.symbols.find(({ name }) => name === "own_pointer");
    const variable = patch.symbols.find(({ name }) => name === "own_static");
    const relocation = patch.relocations.find(({ address }) => address === pointer?.address);
    assert.is(relocation?.addend, variable?.address);
  }
});

test("constructors are counted without the compiler's own", () => {
  const count = (path: string): number => read(path).constructors;
  assert.is(count(plain), 0);
  assert.is(count(stripped(plain, "bare")), 0);
  const two = object("two.so", "-DWITH_CONSTRUCTORS");
  assert.is(count(two), 2);
  assert.is(count(stripped(two, "bare")), 2);
  const bare = object("bare.so", "-DWITH_CONSTRUCTORS", "-nostartfiles");
  assert.is(count(bare), 2);
  assert.is(count(object("none.so", "-nostartfiles")), 0);
  assert.is(count(object("init.so", "-Wl,-init=replacement")), 1);
});

test("the table of replacements, and thread-local variables", () => {
  assert.equal(read(plain).replaceTable, ["target_function=replacement", "other=other_new"]);
  assert.equal(read(object("none.so")).replaceTable, []);
  assert.is(
    codeOf(() => read(object("bad.so", "-DWITH_BAD_TABLE"))),
    "MALFORMED_OBJECT",
  );
  assert.is(read(object("tls.so", "-DWITH_TLS")).hasTls, true);
});

test("files of other kinds are described, not refused", () => {
  const bytes = readFileSync(plain);
  const machine = Buffer.from(bytes);
  machine.writeUInt16LE(183, 18);
  assert.is(addon.readPatchObject(machine).machine, 183);
  assert.equal(addon.readPatchObject(machine).segments, []);
  const relocatable = build({
    name: "patch.o",
    sources: [targetSource("elf/patch_object.c")],
    flags: ["-O2", "-fPIC", "-c"],
  });
  assert.is(read(relocatable).type, "rel");
  const program = build({
    name: "program",
    sources: [targetSource("elf/switches.c")],
    flags: ["-O2", "-no-pie", "-fno-pie"],
  });
  assert.is(read(program).type, "exec");
});

/** Puts a number somewhere into a copy of the file. */
function changed(change: (bytes: Buffer) => void): Uint8Array {
  const bytes = Buffer.from(readFileSync(plain));
  change(bytes);
  return bytes;
}

/** File offset of the first program header of a type. */
function programHeader(bytes: Buffer, type: number): number {
  const start = Number(bytes.readBigUInt64LE(32));
  for (let index = 0; index < bytes.readUInt16LE(56); ++index) {
    if (bytes.readUInt32LE(start + index * 56) === type) return start + index * 56;
  }
  throw new Error(`no program header ${type}`);
}

/** File offset of the value of a dynamic entry. */
function dynamicEntry(bytes: Buffer, tag: bigint): number {
  const start = Number(bytes.readBigUInt64LE(programHeader(bytes, 2) + 8));
  for (let offset = start; offset + 16 <= bytes.length; offset += 16) {
    if (bytes.readBigUInt64LE(offset) === tag) return offset + 8;
  }
  throw new Error(`no dynamic entry ${tag}`);
}

test("malformed tables are refused, whole sentences and stable codes", () => {
  const load = (bytes: Buffer): number => programHeader(bytes, 1);
  const refused: Record<string, readonly [string, (bytes: Buffer) => void]> = {
    "a segment beyond the end": [
      "MALFORMED_OBJECT",
      (b) => b.writeBigUInt64LE(1n << 40n, load(b) + 8),
    ],
    "an offset that wraps": [
      "MALFORMED_OBJECT",
      (b) => b.writeBigUInt64LE(2n ** 64n - 4096n, load(b) + 8),
    ],
    "a segment larger in the file": [
      "MALFORMED_OBJECT",
      (b) => b.writeBigUInt64LE(1n, load(b) + 40),
    ],
    "a huge segment": ["MALFORMED_OBJECT", (b) => b.writeBigUInt64LE(1n << 50n, load(b) + 40)],
    "an odd alignment": ["MALFORMED_OBJECT", (b) => b.writeBigUInt64LE(3n, load(b) + 48)],
    "a misplaced segment": ["MALFORMED_OBJECT", (b) => b.writeBigUInt64LE(8n, load(b) + 16)],
    "no dynamic section": [
      "MALFORMED_OBJECT",
      (b) => b.writeUInt32LE(0x60000000, programHeader(b, 2)),
    ],
    "a dynamic section elsewhere": [
      "MALFORMED_OBJECT",
      (b) => b.writeBigUInt64LE(1n << 33n, programHeader(b, 2) + 8),
    ],
    "relocations elsewhere": [
      "MALFORMED_OBJECT",
      (b) => b.writeBigUInt64LE(1n << 33n, dynamicEntry(b, 7n)),
    ],
    "more relocations": [
      "MALFORMED_OBJECT",
      (b) => b.writeBigUInt64LE(24n << 20n, dynamicEntry(b, 8n)),
    ],
    "a cut relocation": ["MALFORMED_OBJECT", (b) => b.writeBigUInt64LE(25n, dynamicEntry(b, 8n))],
    "strings elsewhere": [
      "MALFORMED_OBJECT",
      (b) => b.writeBigUInt64LE(1n << 33n, dynamicEntry(b, 5n)),
    ],
    "constructors elsewhere": [
      "MALFORMED_OBJECT",
      (b) => b.writeBigUInt64LE(1n << 33n, dynamicEntry(b, 25n)),
    ],
    "versions elsewhere": [
      "MALFORMED_OBJECT",
      (b) => b.writeBigUInt64LE(1n << 33n, dynamicEntry(b, 0x6ffffffen)),
    ],
    "a relocation outside": [
      "MALFORMED_OBJECT",
      (b) => b.writeBigUInt64LE(1n << 33n, Number(b.readBigUInt64LE(dynamicEntry(b, 7n)))),
    ],
    "a relocation's symbol": [
      "MALFORMED_OBJECT",
      (b) => b.writeUInt32LE(60000, Number(b.readBigUInt64LE(dynamicEntry(b, 7n))) + 12),
    ],
    "no magic": ["NOT_ELF", (b) => b.writeUInt8(0, 0)],
  };
  for (const [what, [code, change]] of Object.entries(refused)) {
    assert.is(
      codeOf(() => addon.readPatchObject(changed(change))),
      code,
      what,
    );
  }
  assert.is(
    codeOf(() => addon.readPatchObject(new Uint8Array(0))),
    "NOT_ELF",
  );
  assert.is(
    codeOf(() => addon.readPatchObject(readFileSync(plain).subarray(0, 500))),
    "TRUNCATED_ELF",
  );
});

test("every truncation and thousands of mutations end with a code or an object", () => {
  const whole = readFileSync(plain);
  const known = new Set([
    "no error",
    "NOT_ELF",
    "TRUNCATED_ELF",
    "MALFORMED_ELF",
    "MALFORMED_OBJECT",
  ]);
  const tally = new Map<string, number>();
  const attempt = (bytes: Uint8Array): void => {
    const code = codeOf(() => addon.readPatchObject(bytes));
    assert.ok(known.has(code), code);
    tally.set(code, (tally.get(code) ?? 0) + 1);
  };
  for (let length = 0; length < whole.length; length += length < 1024 ? 1 : 97) {
    attempt(whole.subarray(0, length));
  }
  let seed = 4711;
  const random = (): number => (seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff) >> 8;
  const interesting = [0n, 1n, 0xffn, 0x7fffffffn, 0xffffffffn, 1n << 63n, 2n ** 64n - 1n, 4096n];
  const start = Date.now();
  let rounds = 0;
  for (; rounds < 10_000 && Date.now() - start < 30_000; ++rounds) {
    const bytes = Buffer.from(whole);
    for (let change = random() % 4; change >= 0; --change) {
      // The headers and tables are at the file's start and end: most changes go there.
      const area = random() % 3;
      const span = area === 0 ? 1200 : bytes.length;
      const place = area === 2 ? bytes.length - 1 - (random() % 2500) : random() % span;
      if (random() % 2 === 0) bytes.writeUInt8(random() & 255, place);
      else {
        const value = interesting[random() % interesting.length] ?? 0n;
        bytes.writeBigUInt64LE(value, Math.min(place & ~7, bytes.length - 8));
      }
    }
    attempt(bytes);
  }
  assert.ok(rounds >= 2000, `${rounds} mutations in time`);
  assert.ok((tally.get("no error") ?? 0) > 100 && (tally.get("MALFORMED_OBJECT") ?? 0) > 100);
});

test("only bytes are taken", () => {
  const attempt = addon.readPatchObject.bind(addon);
  assert.is(
    codeOf(() => Reflect.apply(attempt, addon, ["text"])),
    "INVALID_ARGUMENT",
  );
  assert.is(
    codeOf(() => Reflect.apply(attempt, addon, [])),
    "INVALID_ARGUMENT",
  );
});

test.run();

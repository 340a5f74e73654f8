/**
 * Damaged and hostile ELF files, in this process: whatever a file says, the
 * addon answers or throws an error with a known code, and soon. The same corpus
 * also runs under AddressSanitizer, outside of this suite.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { addon, type ModuleHandle } from "../../native/addon/addon.js";
import { targetSource } from "../support/repository.js";
import { build } from "../support/toolchain.js";

const scratch = mkdtempSync(join(tmpdir(), "polus-hostile-"));
process.on("exit", () => rmSync(scratch, { recursive: true, force: true }));

const sources = ["elf/symbols_one.c", "elf/symbols_two.c"].map(targetSource);
const corpus = [
  build({ name: "hostile", sources, flags: ["-std=gnu11", "-O1", "-g", "-rdynamic"] }),
  build({
    name: "hostile",
    sources,
    flags: ["-std=gnu11", "-O1", "-g", "-gz", "-no-pie", "-fno-pie"],
  }),
  build({
    name: "hostile.so",
    sources: [targetSource("elf/versions.c")],
    flags: [
      "-shared",
      "-fPIC",
      "-g",
      "-gdwarf-4",
      `-Wl,--version-script=${targetSource("elf/versions.map")}`,
    ],
  }),
];

const opening = new Set([
  "NOT_ELF",
  "TRUNCATED_ELF",
  "MALFORMED_ELF",
  "NOT_LOADABLE",
  "OUT_OF_MEMORY",
]);
const later = new Set([
  "OUT_OF_RANGE",
  "WRONG_MACHINE",
  "CANNOT_UNWIND",
  "OUT_OF_MEMORY",
  "TOO_COMPLEX",
]);

/** Runs `attempt`; an error must have one of the codes. Returns what it was, or `null`. */
function allow(codes: ReadonlySet<string>, attempt: () => void): string | null {
  try {
    attempt();
    return null;
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : String(error);
    assert.ok(codes.has(code), `${code}: ${String(error)}`);
    return code;
  }
}

/** Every name, and every type that can be reached from it. */
function askOfTypes(module: ModuleHandle): void {
  const seen = new Set<number>();
  const queue: number[] = [];
  for (const kind of ["variable", "function", "type", "source"] as const) {
    for (const name of addon.debugBeginning(module, kind, "", 100)) {
      for (const entry of addon.debugNames(module, name)) queue.push(entry.type);
      addon.debugStatics(module, name, "calls");
    }
  }
  for (let number = queue.pop(); number !== undefined && seen.size < 2000; number = queue.pop()) {
    if (seen.has(number)) continue;
    seen.add(number);
    const type = addon.debugType(module, number);
    queue.push(type.target, ...type.members.map((member) => member.type));
  }
}

/** Asks everything of a file; returns the code with which it was refused at once. */
function askEverything(path: string): string | null {
  return allow(opening, () => {
    const module = addon.openModule(path, { loadAddress: 0x5555_0000_0000n });
    const info = addon.moduleInfo(module);
    askOfTypes(module);
    addon.moduleRelocations(module);
    const names = addon.functionNames(module).slice(0, 40);
    for (const symbol of names.flatMap((name) => addon.findSymbols(module, name))) {
      addon.symbolAt(module, symbol.address);
      addon.sourceOf(module, symbol.address);
      allow(later, () => addon.nextFunctionStart(module, symbol.address));
      allow(later, () => addon.fileBytes(module, symbol.address, 16));
      allow(later, () => addon.deadPadding(module, symbol.address, symbol.address + 200n));
      allow(later, () => addon.callersKeeping(module, [symbol.address], [module]));
    }
    for (const { start, end } of info.text) {
      if (start < end) allow(later, () => addon.branchesInto(module, [{ start, end }]));
    }
    const registers = Buffer.alloc(216);
    const place = (info.text[0]?.start ?? 0n) + 0x150n;
    for (let index = 0; index < 27; ++index) registers.writeBigUInt64LE(0x1000n, index * 8);
    registers.writeBigUInt64LE(BigInt.asUintN(64, place), 16 * 8);
    const stack = Buffer.alloc(4096);
    for (let offset = 0; offset < stack.length; offset += 16) {
      stack.writeBigUInt64LE(BigInt.asUintN(64, place + BigInt(offset)), offset);
    }
    const thread = { tid: 1, registers, stackStart: 0x1000n, stack };
    allow(later, () => addon.unwind(0, [module], thread, 100));
  });
}

test("files cut off anywhere", () => {
  const path = join(scratch, "cut");
  const [whole] = corpus.map((file) => readFileSync(file));
  if (whole === undefined) throw new Error("no corpus");
  for (let length = 0; length < whole.length; length += length < 700 ? 7 : 331) {
    writeFileSync(path, whole.subarray(0, length));
    const code = askEverything(path);
    // The section headers come last: without them it is cut off.
    assert.is(code, length < 4 ? "NOT_ELF" : "TRUNCATED_ELF", `${length} bytes`);
  }
  writeFileSync(path, whole);
  assert.is(askEverything(path), null);
});

test("thousands of mutations", () => {
  const path = join(scratch, "mutated");
  let seed = 20260;
  const random = (): number => (seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff) >> 8;
  const values = [0n, 1n, 0xffn, 4096n, 0x7fffffffn, 0xffffffffn, 1n << 63n, 2n ** 64n - 1n];
  const tally = new Map<string, number>();
  const start = Date.now();
  let rounds = 0;
  let slowest = 0;
  const files = corpus.map((file) => readFileSync(file));
  for (; rounds < 3000 && Date.now() - start < 40_000; ++rounds) {
    const bytes = Buffer.from(files[rounds % files.length] ?? Buffer.alloc(0));
    for (let change = random() % 5; change >= 0; --change) {
      const area = random() % 3;
      const anywhere = random() % bytes.length;
      const place =
        area === 0 ? random() % 1200 : area === 1 ? bytes.length - 1 - (random() % 3000) : anywhere;
      if (random() % 2 === 0) bytes.writeUInt8(random() & 255, place);
      else {
        const value = values[random() % values.length] ?? 0n;
        bytes.writeBigUInt64LE(value, Math.min(place & ~7, bytes.length - 8));
      }
    }
    writeFileSync(path, bytes);
    const before = Date.now();
    const code = askEverything(path) ?? "read";
    slowest = Math.max(slowest, Date.now() - before);
    tally.set(code, (tally.get(code) ?? 0) + 1);
  }
  assert.ok(rounds >= 1000, `${rounds} mutations in time`);
  assert.ok((tally.get("read") ?? 0) > rounds / 4, JSON.stringify([...tally]));
  assert.ok((tally.get("TRUNCATED_ELF") ?? 0) > 10, JSON.stringify([...tally]));
  assert.ok(slowest < 5000, `${slowest} ms`);
});

test("random bytes behind a good magic number", () => {
  const path = join(scratch, "random");
  let seed = 5;
  const random = (): number => (seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff) >> 8;
  for (let round = 0; round < 300; ++round) {
    const bytes = Buffer.from(Array.from({ length: 64 + (random() % 4096) }, () => random() & 255));
    Buffer.from("7f454c46020101", "hex").copy(bytes);
    if (round % 2 === 0) {
      // A believable header with nonsense behind it.
      bytes.writeUInt16LE(3, 16);
      bytes.writeUInt16LE(62, 18);
      bytes.writeUInt32LE(1, 20);
      bytes.writeBigUInt64LE(64n, 32);
      bytes.writeBigUInt64LE(0n, 40);
      bytes.writeUInt16LE(56, 54);
      bytes.writeUInt16LE(round % 8, 56);
      bytes.writeUInt16LE(0, 60);
    }
    writeFileSync(path, bytes);
    assert.type(askEverything(path) ?? "read", "string");
  }
});

test.run();

/** Relocation of function entries, proven by running the copies, and the search for branches. */
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  addon,
  type ElfSymbol,
  type ModuleHandle,
  type RelocatedEntry,
} from "../../native/addon/addon.js";
import { codeOf } from "../support/failures.js";
import { targetSource } from "../support/repository.js";
import { build, runTool } from "../support/toolchain.js";

const jumpSize = 5;

const harness = build({
  name: "entry_harness",
  sources: [targetSource("elf/entry_harness.c"), targetSource("elf/entry_forms.S")],
  flags: ["-std=gnu11", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-Werror"],
});

function one(module: ModuleHandle, name: string): ElfSymbol {
  const [symbol, ...more] = addon.findSymbols(module, name);
  if (symbol === undefined || more.length > 0) throw new Error(`${more.length} other ${name}`);
  return symbol;
}

/** Relocates a function of a module by what the module's file says. */
function relocate(
  module: ModuleHandle,
  name: string,
  destination: bigint,
  minimum = jumpSize,
): RelocatedEntry {
  const symbol = one(module, name);
  const room = Number(addon.nextFunctionStart(module, symbol.address) - symbol.address);
  const code = addon.fileBytes(module, symbol.address, room);
  return addon.relocateEntry(code, {
    address: symbol.address,
    minimum,
    room,
    size: symbol.size,
    destination,
  });
}

const processorFlags = new Set(
  (/^flags\s*:\s*(.*)$/m.exec(readFileSync("/proc/cpuinfo", "utf8"))?.[1] ?? "").split(" "),
);

function canRun(name: string): boolean {
  if (name.startsWith("avx512_")) return processorFlags.has("avx512vl");
  if (name.startsWith("avx_")) return processorFlags.has("avx2");
  return name.startsWith("form_");
}

test("copies do what the originals do, whose first bytes are overwritten", async () => {
  const child = spawn(harness, [], { stdio: ["pipe", "pipe", "inherit"] });
  try {
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const readLine = async (): Promise<string> => {
      const next = await lines.next();
      if (next.done === true) throw new Error("the harness ended");
      return next.value;
    };
    const [base, destination] = (await readLine()).split(" ").map((text) => BigInt(`0x${text}`));
    if (base === undefined || destination === undefined) throw new Error("no addresses");
    const module = addon.openModule(harness, { loadAddress: base });
    const names = addon.functionNames(module).filter(canRun).sort();
    assert.ok(names.length >= 40, `${names.length} functions`);
    let place = destination;
    for (const name of names) {
      // Also with more bytes than a jump takes, so that branches among them are covered.
      for (const minimum of [5, 8, 12, 16]) {
        let entry: RelocatedEntry;
        try {
          entry = relocate(module, name, place, minimum);
        } catch (error) {
          const code = codeOf(() => {
            throw error;
          });
          // Only the jump's own size must always do.
          assert.is.not(minimum, jumpSize, `${name}: ${String(error)}`);
          assert.ok(["TOO_SHORT", "BRANCH_INTO_ENTRY", "UNRELOCATABLE"].includes(code), name);
          continue;
        }
        // Branches from behind into the bytes to be overwritten are found by branchesInto.
        const { address } = one(module, name);
        const into = addon
          .branchesInto(module, [{ start: address + 1n, end: address + BigInt(minimum) }])
          .filter(({ from }) => from < address || from >= address + BigInt(entry.length));
        if (into.length > 0) {
          assert.is.not(minimum, jumpSize, name);
          continue;
        }
        child.stdin.write(
          `run ${address.toString(16)} ${place.toString(16)} ${minimum.toString(16)} ${entry.code.toString("hex")}\n`,
        );
        const [before, after] = (await readLine()).replace("before ", "").split(" after ");
        assert.is(after, before, `${name} with ${minimum} bytes`);
        assert.is(before?.split(" ").length, 24);
        place += 256n;
      }
    }
  } finally {
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.stdin.end();
    if (child.exitCode === null && child.signalCode === null) await ended;
  }
  assert.is(child.exitCode, 0);
});

const module = addon.openModule(harness, { loadAddress: 0x555500000000n });
const near = addon.moduleInfo(module).end + 0x10000n;

test("what is covered, and where its instructions went", () => {
  const frame = relocate(module, "form_frame", near);
  assert.is(frame.length, 8);
  assert.equal(frame.boundaries, [
    [0, 0],
    [1, 1],
    [4, 4],
  ]);
  assert.is(frame.code.length, 8 + 5);
  assert.is(frame.code[8], 0xe9);
  // Control never gets behind a jump or return: no jump back, and only that much is covered.
  assert.is(relocate(module, "static_ret_alone", near).length, 1);
  assert.equal([...relocate(module, "static_ret_alone", near).code], [0xc3]);
  assert.is(relocate(module, "form_jmp_short", near).length, 2);
  assert.equal([...relocate(module, "static_trap", near).code], [0x0f, 0x0b]);
  assert.equal([...relocate(module, "static_halt", near).code], [0xf4]);
  // A short branch grows, which moves what comes behind it.
  assert.equal(relocate(module, "form_count", near).boundaries, [
    [0, 0],
    [2, 2],
    [4, 11],
  ]);
  // endbr64 stays in front.
  assert.is(relocate(module, "form_endbr", near).code.readUInt32LE(0), 0xfa1e0ff3);
  assert.equal(relocate(module, "form_call_after_frame", near).returns, []);
  const early = Buffer.from("50ffd75890909090", "hex");
  const options = { address: 0x1000n, minimum: 5, room: 8, size: 8, destination: 0x2000n };
  assert.equal(addon.relocateEntry(early, options).returns, [3]);
});

test("forms that this machine may not be able to run are moved right", () => {
  for (const name of ["avx512_evex", "avx_vex", "avx_vex_immediate", "static_transaction"]) {
    const symbol = one(module, name);
    const original = addon.fileBytes(module, symbol.address, 16);
    const entry = relocate(module, name, near);
    const displacement = {
      avx512_evex: 6,
      avx_vex: 4,
      avx_vex_immediate: 5,
      static_transaction: 2,
    }[name];
    if (displacement === undefined) throw new Error(name);
    const length = entry.boundaries[1]?.[0] ?? entry.length;
    const target = symbol.address + BigInt(length + original.readInt32LE(displacement));
    const moved = near + BigInt(length + entry.code.readInt32LE(displacement));
    assert.is(moved, target, name);
  }
});

test("refusals have stable codes", () => {
  const refused: Record<string, string> = {
    refused_short: "TOO_SHORT",
    refused_no_padding: "TOO_SHORT",
    refused_low_pointer: "UNRELOCATABLE",
    refused_into_instruction: "UNRELOCATABLE",
    refused_word_branch: "UNRELOCATABLE",
    refused_undecodable: "UNDECODABLE",
  };
  for (const [name, code] of Object.entries(refused)) {
    assert.is(
      codeOf(() => relocate(module, name, near)),
      code,
      name,
    );
  }
  assert.is(
    codeOf(() => relocate(module, "refused_lea_inside", near, 8)),
    "BRANCH_INTO_ENTRY",
  );
  assert.is(
    codeOf(() => relocate(module, "form_rip_load", near + (1n << 33n))),
    "UNRELOCATABLE",
  );
  assert.is(
    codeOf(() => relocate(module, "form_frame", near + (1n << 33n))),
    "UNRELOCATABLE",
  );
  const code = Buffer.from("554889e5b801000000c3", "hex");
  const options = { address: 0x1000n, minimum: 5, room: 10, size: 10, destination: 0x2000n };
  assert.is(addon.relocateEntry(code, options).length, 9);
  assert.is(
    codeOf(() => addon.relocateEntry(code.subarray(0, 3), options)),
    "TOO_SHORT",
  );
  assert.is(
    codeOf(() => addon.relocateEntry(code.subarray(0, 7), options)),
    "TOO_SHORT",
  );
  assert.is(
    codeOf(() => addon.relocateEntry(code, { ...options, room: 8 })),
    "TOO_SHORT",
  );
  assert.is(
    codeOf(() => addon.relocateEntry(code, { ...options, room: 4 })),
    "TOO_SHORT",
  );
  assert.is(
    codeOf(() => addon.relocateEntry(code, { ...options, minimum: 0 })),
    "INVALID_ARGUMENT",
  );
  assert.is(
    codeOf(() => addon.relocateEntry(code, { ...options, address: -1n })),
    "INVALID_ARGUMENT",
  );
});

test("random bytes never crash the relocation", () => {
  let seed = 99;
  const random = (): number => (seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff) >> 8;
  let moved = 0;
  for (let round = 0; round < 20_000; ++round) {
    const code = Buffer.from(Array.from({ length: 1 + (random() % 40) }, () => random() & 255));
    const outcome = codeOf(() => {
      const address = BigInt(random()) << 16n;
      const entry = addon.relocateEntry(code, {
        address,
        minimum: 1 + (random() % 16),
        room: random() % 48,
        size: random() % 48,
        destination: address + BigInt(random()) * 512n,
      });
      assert.ok(entry.code.length > 0 && entry.length > 0);
      ++moved;
    });
    assert.ok(
      ["no error", "TOO_SHORT", "UNDECODABLE", "UNRELOCATABLE", "BRANCH_INTO_ENTRY"].includes(
        outcome,
      ),
      outcome,
    );
  }
  assert.ok(moved > 500, `${moved}`);
});

/** Names of the functions into whose first bytes something leads, of a program's list. */
function ledInto(program: ModuleHandle, names: readonly string[]): string[] {
  const ranges = names.map((name) => {
    const { address } = one(program, name);
    return { start: address + 1n, end: address + BigInt(jumpSize) };
  });
  const found = new Set(addon.branchesInto(program, ranges).map(({ range }) => names[range] ?? ""));
  return [...found].sort();
}

test("branches and jump tables that lead into first bytes are found", () => {
  const program = addon.openModule(
    build({
      name: "entries",
      sources: ["entries.c", "entries_code.S", "target.c", "confine.c"].map(targetSource),
      flags: ["-std=gnu11", "-D_GNU_SOURCE", "-O2", "-g", "-pthread"],
    }),
    { loadAddress: 0x10000n },
  );
  const names = addon
    .functionNames(program)
    .filter((name) => addon.symbolAt(program, one(program, name).address)?.file === null);
  const found = ledInto(program, names);
  for (const name of ["loop_back", "branch_from_behind", "shared_tail", "jump_table"]) {
    assert.ok(found.includes(name), `${name} of ${found.join(" ")}`);
  }
  for (const name of ["shared_tail_user", "loop_to_start", "rip_relative", "main"]) {
    assert.not.ok(found.includes(name), name);
  }
});

test("a compiler's jump tables, relative and absolute, and tables of labels", () => {
  for (const flags of [
    ["-fPIE", "-pie"],
    ["-fno-pie", "-no-pie"],
    ["-fPIE", "-pie", "-s"],
  ]) {
    const path = build({
      name: "switches",
      sources: [targetSource("elf/switches.c")],
      flags: ["-std=gnu11", "-O2", ...flags],
    });
    const fixed = flags.includes("-no-pie");
    const program = addon.openModule(path, { loadAddress: fixed ? 0x400000n : 0x7000000n });
    const info = addon.moduleInfo(program);
    if (flags.includes("-s")) {
      // Without symbols the functions are known by their call frame information.
      const [text] = info.text;
      if (text === undefined) throw new Error("no text");
      const targets = addon.branchesInto(program, [text]).map(({ to }) => to);
      assert.ok(new Set(targets).size > 15, `${targets.length}`);
      continue;
    }
    for (const [name, cases] of [
      ["choose", 7],
      ["interpret", 4],
    ] as const) {
      const { address, size } = one(program, name);
      const inside = addon
        .branchesInto(program, [{ start: address + 1n, end: address + BigInt(size) }])
        .filter(({ from }) => {
          const symbol = addon.symbolAt(program, from);
          return (
            symbol === null ||
            symbol.kind !== "func" ||
            from < address ||
            fixed ||
            name === "choose"
          );
        });
      const distinct = new Set(inside.map(({ to }) => to));
      assert.ok(distinct.size >= cases, `${name} ${flags.join(" ")}: ${distinct.size}`);
      // Every target is the start of an instruction, says another disassembler.
      const bias = info.bias;
      const starts = new Set(
        [
          ...runTool("objdump", ["-d", "--no-show-raw-insn", path]).matchAll(/^\s*([0-9a-f]+):/gm),
        ].map((match) => BigInt(`0x${match[1] ?? ""}`) + bias),
      );
      for (const target of distinct)
        assert.ok(starts.has(target), `${name}: ${target.toString(16)}`);
    }
  }
});

test("direct branches agree with another disassembler's", () => {
  const bias = addon.moduleInfo(module).bias;
  const [text] = addon.moduleInfo(module).text;
  if (text === undefined) throw new Error("no text");
  const found = new Set(
    addon.branchesInto(module, [text]).map(({ from, to }) => `${from - bias} ${to - bias}`),
  );
  const listing = runTool("objdump", ["-d", "--no-show-raw-insn", "-j", ".text", harness]);
  let compared = 0;
  for (const match of listing.matchAll(
    /^\s*([0-9a-f]+):\s+(?:bnd |data16 |rex\.W )*(?:j\w+|call|loop\w*|xbegin)\s+([0-9a-f]+) <([^>]*)>/gm,
  )) {
    const [, from, to] = match;
    // Processors do not agree on branches with a 16-bit operand size.
    if (match[0].includes("jmpw")) continue;
    ++compared;
    const pair = `${BigInt(`0x${from ?? ""}`)} ${BigInt(`0x${to ?? ""}`)}`;
    assert.ok(found.has(pair), `${match[0]}`);
  }
  assert.ok(compared > 40, `${compared}`);
});

test("ranges outside the module and other arguments are refused", () => {
  assert.is(
    codeOf(() => addon.branchesInto(module, [{ start: 1n, end: 5n }])),
    "OUT_OF_RANGE",
  );
  const { start } = addon.moduleInfo(module);
  assert.is(
    codeOf(() => addon.branchesInto(module, [{ start, end: start }])),
    "OUT_OF_RANGE",
  );
  assert.equal(addon.branchesInto(module, []), []);
});

test("finds padding that nothing executes, and only that", () => {
  const program = build({
    name: "padding",
    sources: [targetSource("elf/padding.S")],
    flags: ["-nostdlib", "-shared", "-Wl,--build-id=none"],
  });
  const module = addon.openModule(program, { loadAddress: 0x10000n });
  const after = (name: string): number => {
    const { address, size } = one(module, name);
    const end = address + BigInt(size);
    return addon
      .deadPadding(module, end, end + 5n)
      .reduce((sum, gap) => sum + Number(gap.end - gap.start), 0);
  };
  assert.is(after("returns"), 16);
  assert.is(after("calls_at_its_end"), 16);
  // A jump of five bytes at the entry needs some of what follows.
  assert.is(after("tiny"), 12);
  assert.is(after("falls_through"), 0);
  assert.is(after("has_no_padding"), 0);
  assert.is(after("is_followed_by_code"), 0);
  assert.is(after("is_branched_behind"), 0);
  assert.is(after("is_followed_by_data"), 0);
});

test.run();

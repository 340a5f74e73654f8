// timeout 120s
/**
 * The search for callers that keep registers across a call. A program compiled without -fipa-ra
 * has none, so whatever is found in one is wrong.
 */
import { readFileSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { addon, type ModuleHandle } from "../../native/addon/addon.js";
import { buildPatch } from "../support/patches.js";
import { basicProgram, functionsProgram, staticsProgram, tlsProgram } from "../support/programs.js";
import { stdlibInclude } from "../support/repository.js";
import { buildTarget } from "../support/target_process.js";

const keepers = (flags: readonly string[]): string => buildTarget({ name: "keepers", flags });

function addressesOf(module: ModuleHandle, names: readonly string[]): bigint[] {
  const found = names.flatMap((name) =>
    addon.findSymbols(module, name).filter((s) => s.kind === "func"),
  );
  return [...new Set(found.map((s) => s.address))];
}

function findAll(path: string): { readonly functions: number; readonly found: string[] } {
  const module = addon.openModule(path, { loadAddress: 0n });
  const functions = addressesOf(module, addon.functionNames(module));
  const nameOf = (address: bigint): string =>
    addon.symbolAt(module, address)?.name ?? address.toString(16);
  const found = addon
    .callersKeeping(module, functions, [])
    .map((k) => `${nameOf(k.function)} in ${nameOf(k.caller)}: ${k.registers.join(" ")}`);
  return { functions: functions.length, found };
}

test("finds kept integers, floats, results and arguments of what comes next", () => {
  const { found } = findAll(keepers(["-O2"]));
  const about = (start: string): string =>
    found.filter((line) => line.startsWith(start)).join("; ");
  assert.match(about("weigh in integers"), /r[cds][ix]/);
  assert.match(about("scale in floats"), /xmm[12]/);
  assert.match(about("touch in result"), /rax/);
  assert.match(about("touch in passed_on"), /rdi/);
  assert.match(about("touch in indirect"), /r[ds]i/);
  assert.is(about("lonely"), "");
});

for (const level of ["-O0", "-O1", "-O2", "-O3", "-Os"]) {
  test(`finds nothing in what is compiled with ${level} -fno-ipa-ra`, () => {
    const flags = [level, "-fno-ipa-ra"];
    let functions = 0;
    for (const build of [keepers, basicProgram, functionsProgram, staticsProgram, tlsProgram]) {
      const all = findAll(build(flags));
      assert.equal(all.found, []);
      functions += all.functions;
    }
    assert.ok(functions > 200, `${functions} functions are too few to show anything`);
  });
}

test("knows what a function of a patch may change", () => {
  const path = buildPatch("keepers.c", [`-I${stdlibInclude}`]);
  const bytes = readFileSync(path);
  const symbols = addon.readPatchObject(bytes).symbols;
  const written = (name: string): string[] | null => {
    const symbol = symbols.find((s) => s.defined && s.name === name);
    if (symbol === undefined) throw new Error(`no ${name}`);
    return addon.writtenRegisters(bytes, symbol.address);
  };
  for (const register of ["rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "zmm15"])
    assert.ok(written("weigh_careless")?.includes(register), register);
  const lean = written("weigh_lean");
  assert.ok(lean?.includes("rax"));
  for (const register of ["rcx", "rdx", "rsi", "r8", "r9", "r10", "r11", "zmm1"])
    assert.not.ok(lean?.includes(register), register);
  // What calls the unknown may change all.
  assert.ok((written("touch_calling") ?? ["zmm31"]).includes("zmm31"));
  assert.is(written("touch_anything"), null);
});

test("refuses addresses and handles that are none", () => {
  const module = addon.openModule(keepers(["-O2"]), { loadAddress: 0n });
  assert.throws(() => addon.callersKeeping(module, [1n << 60n], []), /./);
  assert.throws(() => addon.writtenRegisters(Buffer.from("no ELF"), 0n), /./);
});

test.run();

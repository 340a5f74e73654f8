/** Where variables and functions are, by debug information in its forms. */
import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { addon, type DebugName, type ModuleHandle } from "../../../native/addon/addon.js";
import { targetSource } from "../../support/repository.js";
import { build, runTool } from "../../support/toolchain.js";

const scratch = mkdtempSync(join(tmpdir(), "polus-places-"));
process.on("exit", () => rmSync(scratch, { recursive: true, force: true }));

const sources = ["types/places.c", "types/places_other.c"].map(targetSource);
const program = (...flags: string[]): string => build({ name: "places", sources, flags });
const open = (path: string): ModuleHandle =>
  addon.openModule(path, { loadAddress: 0x5555_0000_0000n });

const optimised = ["-O2", "-ffunction-sections", "-fdata-sections", "-Wl,--gc-sections"];

/** The entries of that name that have a place. */
function placed(module: ModuleHandle, name: string): DebugName[] {
  return addon
    .debugNames(module, name)
    .filter((entry) => entry.place !== null && entry.place !== undefined);
}

function only(entries: readonly DebugName[]): DebugName {
  const [entry, ...more] = entries;
  if (entry === undefined || more.length > 0) throw new Error(`${entries.length} entries`);
  return entry;
}

function constant(module: ModuleHandle, name: string): bigint {
  const entry = only(placed(module, name).filter((e) => e.place === "constant"));
  return entry.bytes?.readBigUInt64LE(0) ?? 0n;
}

for (const version of ["-gdwarf-4", "-gdwarf-5"]) {
  test(`constants are not sign-extended by chance (${version})`, () => {
    const module = open(program(version, ...optimised));
    assert.is(constant(module, "positive"), 200n);
    assert.is(BigInt.asUintN(32, constant(module, "high")), 0xfffffff0n);
    assert.is(BigInt.asIntN(32, constant(module, "negative")), -5n);
    assert.is(BigInt.asUintN(8, constant(module, "byte")), 200n);
    assert.is(constant(module, "all"), 2n ** 64n - 1n);
  });

  test(`what the linker dropped has no place (${version})`, () => {
    const module = open(program(version, ...optimised));
    for (const name of ["dropped", "dropped_value", "keep"]) {
      assert.ok(addon.debugNames(module, name).length > 0, name);
      assert.is(placed(module, name).length, 0, name);
    }
    assert.is(placed(module, "sink").length, 1);
  });

  test(`a clone that takes other arguments is not the function (${version})`, () => {
    const module = open(program(version, ...optimised));
    assert.ok(
      addon.functionNames(module).some((name) => name.startsWith("cloned.")),
      "no clone was made",
    );
    assert.is(placed(module, "cloned").length, 0);
    const calls = only(addon.debugStatics(module, "cloned", "calls"));
    assert.is(addon.symbolAt(module, calls.value ?? 0n)?.name.split(".")[0], "calls");
  });
}

/** The same whatever form the debug information has. */
function expectEverything(path: string): void {
  const module = open(path);
  for (const name of ["sink", "list", "main", "other", "cloned"]) {
    const symbols = addon.findSymbols(module, name);
    assert.is(only(placed(module, name)).value, symbols[0]?.address, name);
  }
  const tls = only(placed(module, "of_thread"));
  assert.is(tls.place, "tls");
  assert.is(tls.value, 0n);
  assert.equal(
    placed(module, "positive").map((e) => e.source),
    sources,
  );
  const shared = only(addon.debugNames(module, "shared"));
  const type = addon.debugType(module, shared.type);
  assert.is(type.size, 16);
  assert.equal(
    type.members.map((m) => [m.name, m.offset]),
    [
      ["count", 0],
      ["next", 8],
    ],
  );
  // The struct points to itself by the same number, in whichever unit it stands.
  const next = addon.debugType(module, type.members[1]?.type ?? 0);
  assert.is(addon.debugType(module, next.target).name, "shared");
  assert.equal(
    ["RED", "GREEN", "BLUE"].map((name) => only(addon.debugNames(module, name)).value),
    [1n, -2n, 0x7fffffffn],
  );
  assert.equal(addon.debugBeginning(module, "source", "places", 9), ["places.c", "places_other.c"]);
}

for (const flags of [
  ["-gdwarf-3", "-gstrict-dwarf"],
  ["-gdwarf-4"],
  ["-gdwarf-5"],
  ["-g", "-gz"],
  ["-gdwarf-4", "-fdebug-types-section"],
  ["-gdwarf-5", "-fdebug-types-section"],
]) {
  test(`the same by ${flags.join(" ")}`, () => expectEverything(program("-O0", ...flags)));
}

for (const version of ["-gdwarf-4", "-gdwarf-5"]) {
  test(`the same by split debug information, ${version}`, () => {
    // The compiler leaves the .dwo files where the objects are, so those must stay.
    const objects = sources.map((source, index) => {
      const object = join(scratch, `split${version}-${index}.o`);
      runTool("gcc", ["-O0", version, "-gsplit-dwarf", "-c", source, "-o", object]);
      return object;
    });
    const path = join(scratch, `split${version}`);
    runTool("gcc", ["-o", path, ...objects]);
    expectEverything(path);
  });
}

test("the same after dwz has moved what two programs share into a third file", () => {
  const files = ["-O0", "-O1"].map((level, index) => {
    const copy = join(scratch, `dwz${index}`);
    copyFileSync(program("-g", level), copy);
    return copy;
  });
  runTool("dwz", ["-m", join(scratch, "shared.debug"), ...files]);
  const [first] = files;
  if (first === undefined) throw new Error("no file");
  assert.match(runTool("readelf", ["-SW", first]), /\.gnu_debugaltlink/);
  expectEverything(first);
});

test.run();

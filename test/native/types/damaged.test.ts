/**
 * Debug information that leads in circles. Whoever sizes, prints or spells a type follows its
 * links, so the addon must hand out none that never end.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { addon, type DebugType, type ModuleHandle } from "../../../native/addon/addon.js";
import { targetSource } from "../../support/repository.js";
import { build } from "../../support/toolchain.js";

const program = build({
  name: "damaged",
  sources: [targetSource("types/damaged.S")],
  flags: ["-no-pie"],
});
const open = (): ModuleHandle => addon.openModule(program, { loadAddress: 0x400000n });

/** Deeper than anything that the addon lets pass. */
const tooDeep = 400;

/** Types inside an object of this one. */
function contents(type: DebugType): readonly number[] {
  if (type.kind === "struct" || type.kind === "union") return type.members.map((m) => m.type);
  return ["typedef", "qualified", "array"].includes(type.kind) ? [type.target] : [];
}

/** Types that this one's spelling names. */
function spelling(type: DebugType): readonly number[] {
  if (type.kind === "function") return [type.target, ...type.members.map((m) => m.type)];
  return ["pointer", "qualified", "array"].includes(type.kind) ? [type.target] : [];
}

/** Longest way from a type on; throws where it is too long. */
function depth(
  module: ModuleHandle,
  number: number,
  links: (type: DebugType) => readonly number[],
  from = 0,
): number {
  if (from > tooDeep) throw new Error("the links of a type have no end");
  const next = links(addon.debugType(module, number));
  return 1 + Math.max(0, ...next.map((one) => depth(module, one, links, from + 1)));
}

function typeOf(module: ModuleHandle, variable: string): number {
  const [entry] = addon.debugNames(module, variable);
  if (entry === undefined) throw new Error(`no ${variable}`);
  assert.is(entry.kind, "variable");
  return entry.type;
}

const circular = [
  "v_typedef",
  "v_const",
  "v_pointer",
  "v_struct",
  "v_left",
  "v_array",
  "v_function",
  "v_huge",
  "v_inner",
  "v_nowhere",
  "v_itself",
];

for (const variable of circular) {
  test(`${variable} has a type that ends`, () => {
    const module = open();
    const type = typeOf(module, variable);
    depth(module, type, contents);
    depth(module, type, spelling);
  });
}

test("circles are cut whichever of their types comes first", () => {
  for (const order of [circular, [...circular].reverse()]) {
    const module = open();
    for (const variable of order) depth(module, typeOf(module, variable), contents);
    for (const name of ["own_struct", "left", "right", "inner", "outer"]) {
      const [entry] = addon.debugNames(module, name).filter((e) => e.kind === "struct");
      if (entry === undefined) throw new Error(`no ${name}`);
      depth(module, entry.type, contents);
    }
  }
});

test("what is whole beside them is read", () => {
  const module = open();
  const [value] = addon.debugNames(module, "v_struct");
  assert.is(value?.value, addon.findSymbols(module, "value")[0]?.address);
  const type = addon.debugType(module, typeOf(module, "v_struct"));
  assert.is(type.name, "own_struct");
  assert.is(type.size, 8);
  assert.equal(
    type.members.map((m) => [m.name, m.type]),
    [["inner", 0]],
  );
  // A size that no number has is as good as none.
  assert.is(addon.debugType(module, typeOf(module, "v_huge")).kind, "void");
});

test("a chain of siblings that leads back ends", () => {
  assert.is(addon.debugNames(open(), "backwards").length, 1);
});

test.run();

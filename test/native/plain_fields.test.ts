// timeout 240s
/** Fields that transfer functions merely copy: what is said of them, tried out on random bytes. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { addon, type PlainField } from "../../native/addon/addon.js";
import { plainFields } from "../../native/data/plain_fields.js";
import { targetSource } from "../support/repository.js";
import { build, generatedSource } from "../support/toolchain.js";

const compilations: readonly (readonly string[])[] = [
  ["-O0"],
  ["-O1"],
  ["-O2"],
  ["-O3", "-march=x86-64-v3"],
  ["-Os", "-fcf-protection"],
  ["-O2", "-fstack-protector-all", "-fno-plt"],
];

const tryPlain = build({
  name: "try_plain",
  sources: [targetSource("transfers/try_plain.c")],
  flags: ["-std=gnu11", "-O2", "-Wall", "-Wextra", "-rdynamic", "-ldl"],
});

const notation = ({ from, fromSize, to, toSize, signed }: PlainField): string =>
  [from, fromSize, to, toSize, Number(signed)].join(",");

/** By function `…_up` or `…_down`. */
function fieldsIn(object: string): ReadonlyMap<string, readonly string[]> {
  const bytes = readFileSync(object);
  const patch = addon.readPatchObject(bytes);
  return new Map(
    patch.symbols
      .filter(({ defined, kind, name }) => defined && kind === "func" && /_(?:up|down)$/.test(name))
      .map(({ name, address }) => [name, plainFields(bytes, patch, address).map(notation)]),
  );
}

function buildObject(source: string, name: string, flags: readonly string[]): string {
  return build({
    name,
    sources: [source],
    flags: ["-std=gnu11", "-w", "-fPIC", "-shared", ...flags],
  });
}

/** Tries every field of an object; there must be some. */
function tryAll(object: string, rounds: number): number {
  let count = 0;
  for (const [name, fields] of fieldsIn(object)) {
    if (fields.length === 0) continue;
    const { status, stdout, stderr } = spawnSync(
      tryPlain,
      [object, name, String(rounds), ...fields],
      { encoding: "utf8", timeout: 60_000 },
    );
    assert.is(status, 0, `${name} in ${object}: ${stdout}${stderr}`);
    count += fields.length;
  }
  return count;
}

const written = targetSource("transfers/plain.c");

for (const flags of compilations) {
  test(`nothing wrong is said of written ones, gcc ${flags.join(" ")}`, () => {
    assert.ok(tryAll(buildObject(written, "plain.so", flags), 2_000) > 20);
  });
}

test("what is copied, widened, cut off, and decides more than one field", () => {
  const of = fieldsIn(buildObject(written, "plain.so", ["-O2"]));
  assert.equal(of.get("widen_up"), [
    "0,4,8,8,1",
    "4,4,24,8,1",
    "8,4,16,8,1",
    "16,8,0,8,0",
    "24,2,32,4,0",
    "26,20,48,20,0",
    "56,8,80,8,0",
    "69,1,100,4,1",
  ]);
  const down = of.get("widen_down") ?? [];
  for (const field of ["8,8,0,4,0", "8,4,0,4,0", "32,4,24,2,0", "0,8,16,8,0"]) {
    assert.ok(down.includes(field), `${field} is not in ${down.join(" ")}`);
  }
  // What decides a branch, a sum or another field too is none.
  assert.equal(of.get("branch_up"), ["8,4,16,8,1", "16,8,0,8,0", "24,2,32,4,0"]);
  assert.equal(of.get("twice_up"), ["8,4,16,8,1"]);
  assert.equal(of.get("sometimes_up"), ["8,4,16,8,1"]);
  // Copies side by side are one, of which any part may be stored.
  assert.ok(of.get("shape_up")?.includes("0,24,8,24,0"));
});

test("nothing is said where a function loops, or reads or calls elsewhere", () => {
  for (const flags of compilations) {
    const of = fieldsIn(buildObject(written, "plain.so", flags));
    for (const name of ["elsewhere_up", "global_up", "unknown_up", "loop_up"]) {
      assert.equal(of.get(name), [], `${name}, ${flags.join(" ")}`);
    }
  }
});

/** Xorshift: the same functions in every run. */
function randomNumbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

const integers = [
  ...["signed char", "unsigned char", "short", "unsigned short"],
  ...["int", "unsigned", "long", "unsigned long"],
];

/** Structs of random fields, and functions that mostly copy them. */
function randomTransfers(seed: number, count: number): string {
  const random = randomNumbers(seed);
  const pick = <T>(list: readonly T[]): T => list[random(list.length)] as T;
  const shuffled = <T>(list: readonly T[]): T[] =>
    list
      .map((one) => [random(1 << 30), one] as const)
      .toSorted(([a], [b]) => a - b)
      .map(([, one]) => one);
  const lines = ["#include <string.h>"];
  for (let i = 0; i < count; i++) {
    const names = Array.from({ length: 3 + random(8) }, (_, at) => `f${at}`);
    const declare = (name: string, type: string): string =>
      type.startsWith("char[") ? `char ${name}${type.slice(4)};` : `${type} ${name};`;
    const kinds = names.map(() =>
      random(5) === 0 ? `char[${1 + random(40)}]` : random(6) === 0 ? "double" : pick(integers),
    );
    const was = names.map((name, at) => declare(name, kinds[at] ?? "int"));
    const is = names.map((name, at) => {
      const kind = kinds[at] ?? "int";
      return declare(name, integers.includes(kind) && random(2) === 0 ? pick(integers) : kind);
    });
    lines.push(`struct a${i} { ${was.join(" ")} };`);
    lines.push(`struct b${i} { ${shuffled([...is, "long fresh;"]).join(" ")} };`);
    const numeric = names.filter((_, at) => integers.includes(kinds[at] ?? ""));
    for (const [direction, from, to] of [
      ["up", "a", "b"],
      ["down", "b", "a"],
    ] as const) {
      const statements = names.map((name, at) => {
        if ((kinds[at] ?? "").startsWith("char[")) {
          return `memcpy(to->${name}, from->${name}, sizeof to->${name});`;
        }
        const other = numeric.length > 0 ? pick(numeric) : name;
        switch (random(12)) {
          case 0:
            return `to->${name} = from->${name} + from->${other};`;
          case 1:
            return `if (from->${other} > 3) to->${name} = from->${name}; else to->${name} = 5;`;
          case 2:
            return `to->${name} = from->${name}; if (from->${other}) to->${name} = from->${name};`;
          case 3:
            return `to->${name} = to->${name} ? from->${name} : 0;`;
          default:
            return `to->${name} = from->${name};`;
        }
      });
      lines.push(
        `void t${i}_${direction}(const struct ${from}${i} *from, struct ${to}${i} *to) {`,
        ...shuffled(statements).map((line) => `  ${line}`),
        "}",
      );
    }
  }
  return `${lines.join("\n")}\n`;
}

for (const flags of compilations) {
  test(`nothing wrong is said of random ones, gcc ${flags.join(" ")}`, () => {
    const source = generatedSource("random.c", randomTransfers(20_260_701, 40));
    assert.ok(tryAll(buildObject(source, "random.so", flags), 300) > 100);
  });
}

test("code that is no function, or not there, is no reason to fail", () => {
  const object = buildObject(written, "plain.so", ["-O2"]);
  const bytes = readFileSync(object);
  const random = randomNumbers(7);
  for (let round = 0; round < 2_000; round++) {
    const damaged = Buffer.from(bytes);
    const code = addon.readPatchObject(bytes).segments.find(({ execute }) => execute);
    if (code === undefined) throw new Error("no code");
    const start = Number(code.address);
    for (let i = 0; i < 40; i++) damaged[start + random(code.memorySize)] = random(256);
    const found = addon.plainFields(damaged, BigInt(start + random(code.memorySize)), []);
    assert.ok(Array.isArray(found));
  }
  assert.equal(addon.plainFields(bytes, 1n << 60n, []), []);
});

test.run();

/** What constant expressions are worth; the figures are gcc's on x86-64. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { ConstantValue } from "../../../lang/check/checked.js";
import { loadScript } from "../../../lang/index.js";
import { memoryFiles } from "../memory-files.js";

const test = suite("constants");

function load(text: string, vars: readonly string[] = []) {
  const files = memoryFiles({ "/s/a.polus": text });
  return loadScript("/s/a.polus", { stdlib: "/std", files, vars });
}

/** `VALUE TYPE` of each printed expression. */
function values(text: string): readonly string[] {
  const { script, diagnostics } = load(`print ${text}`);
  assert.equal(
    diagnostics.map(({ message }) => message),
    [],
    text,
  );
  const [statement] = script?.statements ?? [];
  if (script === null || statement?.kind !== "print") throw new Error("no print");
  return statement.values.map((expression) => {
    const value = script.constantValues.get(expression);
    return value === undefined ? "not constant" : show(value);
  });
}

function show(value: ConstantValue): string {
  switch (value.kind) {
    case "integer":
    case "float":
      return `${value.value} ${value.type}`;
    case "string":
      return `"${value.value}"`;
    case "boolean":
      return `${value.value}`;
    case "duration":
      return `${value.nanoseconds}ns`;
    case "size":
      return `${value.bytes}B`;
    case "null":
      return "NULL";
  }
}

test("arithmetic and conversions", () => {
  const cases: readonly (readonly [string, string])[] = [
    ["7 / 2", "3 int"],
    ["-7 / 2", "-3 int"],
    ["-7 % 3", "-1 int"],
    ["1 + 2 * 3", "7 int"],
    ["2147483647 + 1L", "2147483648 long"],
    ["2147483647u + 1", "2147483648 unsigned int"],
    ["4294967295u + 1", "0 unsigned int"],
    ["0u - 1", "4294967295 unsigned int"],
    ["-1 < 0u", "0 int"],
    ["-1 < 0", "1 int"],
    ["-1L < 0u", "1 int"],
    ["-1L < 0ul", "0 int"],
    ["1ul + 1ll", "2 unsigned long long"],
    ["1u << 31", "2147483648 unsigned int"],
    ["1L << 40", "1099511627776 long"],
    ["-16 >> 2", "-4 int"],
    ["~0", "-1 int"],
    ["~0u", "4294967295 unsigned int"],
    ["-0x80000000", "2147483648 unsigned int"],
    ["6 & 3 | 8 ^ 1", "11 int"],
    ["!0 + !5", "1 int"],
    ["'a' + 1", "98 int"],
    ["'\\xff'", "-1 int"],
    ["true + true", "2 int"],
    ["true", "true"],
    ["1 && 0 || 1", "1 int"],
    ["0 && 1 / 0", "0 int"],
    ["1 || 1 / 0", "1 int"],
    ["1 ? 2 : 1 / 0", "2 int"],
    ["NULL == NULL", "1 int"],
    ["1.5 + 1", "2.5 double"],
    ["1 / 2.0", "0.5 double"],
    ["1.5f * 2", "3 float"],
    ["0.1f", `${Math.fround(0.1)} float`],
    ["1.5 > 1", "1 int"],
    ["-1.5", "-1.5 double"],
    ['"a" + "b"', '"ab"'],
    ['"a" == "a"', "1 int"],
    ['"a" != "a"', "0 int"],
    ["2 * 5s", "10000000000ns"],
    ["5s * 2", "10000000000ns"],
    ["1m - 1s", "59000000000ns"],
    ["1m / 1s", "60 long"],
    ["1m / 7", "8571428571ns"],
    ["5s > 500ms", "1 int"],
    ["90m % 1h", "1800000000000ns"],
    ["4KiB + 1MiB", "1052672B"],
    ["1MiB / 4KiB", "256 long"],
    ["(1 + 2) * (3)", "9 int"],
    ["(5) - 3", "2 int"],
  ];
  for (const [text, expected] of cases) {
    assert.equal(values(text), [expected], text);
  }
});

test("constants may use later ones, and (N) - 1 is no cast of them", () => {
  const { script } = load("const a = (b) - 1\nconst b = c * 2\nconst c = 5\nprint a");
  assert.equal(
    [...(script?.scope.constants ?? [])].map(([name, value]) => `${name}=${show(value)}`),
    ["a=9 int", "b=10 int", "c=5 int"],
  );
});

test("--var overrides a constant, also for those that use it", () => {
  const text = `const n = 5\nconst m = n + 1\nconst t = 5s\nconst s = "a"\nconst f = 1.5\nprint n`;
  const { script, diagnostics } = load(text, ["n=0x10", "t=250ms", "s=b c=d", "f=2"]);
  assert.equal(diagnostics, []);
  assert.equal(
    [...(script?.scope.constants ?? [])].map(([name, value]) => `${name}=${show(value)}`),
    ["n=16 int", "m=17 int", "t=250000000ns", 's="b c=d"', "f=2 double"],
  );
  const quoted = load(text, ['s="x\\ty"']).script?.scope.constants.get("s");
  assert.is(quoted && show(quoted), '"x\ty"');
});

test("a --var that does not fit is an error at its own place", () => {
  const text = "const n = 5\nprint n";
  const said = (option: string) => {
    const { script, diagnostics } = load(text, [option]);
    assert.is(script, null, option);
    const [one] = diagnostics;
    return `${one?.span?.file.path} ${one?.span?.start} ${one?.code}`;
  };
  assert.is(said("n"), "--var 0 invalid-variable");
  assert.is(said("=5"), "--var 0 invalid-variable");
  assert.is(said("m=5"), "--var 0 unknown-variable");
  assert.is(said("n=5s"), "--var 2 wrong-type");
  assert.is(said("n="), "--var 2 syntax");
  assert.is(said("n=1 2"), "--var 4 syntax");
  assert.is(said("n=k"), "--var 2 unknown-constant");
});

test.run();

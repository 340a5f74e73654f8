/**
 * Scripts and what the formatter makes of them: `fixtures/NAME.polus` and
 * `NAME.expected`. With UPDATE_GOLDEN=1 the expectations are written instead; read the
 * difference.
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { formatScript } from "../../../lang/format/format.js";
import { parse } from "../../../lang/parse.js";
import { SourceFile } from "../../../lang/source.js";

const here = fileURLToPath(new URL("../../../../test/lang/format/", import.meta.url));
const fixtures = join(here, "fixtures");
const mistakes = join(here, "..", "golden");
const update = process.env["UPDATE_GOLDEN"] === "1";
const test = suite("formatted scripts");

function scripts(folder: string): readonly string[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith(".polus"))
    .sort();
}

function format(name: string, text: string): string {
  const result = formatScript(new SourceFile(name, text));
  if (result.kind === "formatted") return result.text;
  throw new Error(result.diagnostics.map(({ message }) => message).join("\n"));
}

for (const name of scripts(fixtures)) {
  test(name, () => {
    const formatted = format(name, readFileSync(join(fixtures, name), "utf8"));
    const expected = join(fixtures, name.replace(/\.polus$/, ".expected"));
    if (update) writeFileSync(expected, formatted);
    assert.fixture(formatted, readFileSync(expected, "utf8"));
    assert.is(format(name, formatted), formatted, "formatting again changes nothing");
  });
}

test("there are enough of them", () => {
  assert.ok(scripts(fixtures).length >= 30);
});

test("what does not parse is rejected with the parser's own words", () => {
  let rejected = 0;
  for (const name of scripts(mistakes)) {
    const file = new SourceFile(name, readFileSync(join(mistakes, name), "utf8"));
    const { script, diagnostics } = parse(file);
    const result = formatScript(file);
    assert.is(result.kind, script === null ? "rejected" : "formatted", name);
    if (result.kind === "formatted") continue;
    rejected++;
    assert.equal(
      result.diagnostics.map(({ message }) => message),
      diagnostics.map(({ message }) => message),
    );
  }
  assert.ok(rejected > 20);
});

test("C source keeps every byte, tabs and trailing blanks too", () => {
  const source = "\t int x;   \n\n\n\n\t}\t \r\n".replace("}", "/* } */");
  const text = format("c", `update u{patch p{c {${source}}}}`);
  assert.ok(text.includes(`    c {${source}}\n`), text);
});

test("the longest chains that the parser takes", () => {
  for (const text of [
    `print ${"1 + ".repeat(1_000)}1`,
    `print ${"(a) - ".repeat(1_000)}b`,
    `print a${".b".repeat(1_000)}`,
    `print a${"[1]".repeat(1_000)}`,
    `print ${"f(".repeat(40)}${")".repeat(40)}`,
    `${"if (a) { ".repeat(45)}${"}".repeat(45)}`,
    `print ${Array.from({ length: 20_000 }, (_, i) => i).join(", ")}`,
  ]) {
    const formatted = format("long", text);
    assert.is(format("long", formatted), formatted);
  }
});

test("5,000 lines", () => {
  const text = "set a = b // c\nif (a) { print b, c } else { clamp(a, b) }\n".repeat(2_500);
  const began = performance.now();
  format("long", text);
  const took = performance.now() - began;
  console.log(`5,000 lines formatted in ${Math.round(took)} ms`);
  // Far above what it takes, so that only a change of its order of growth fails here.
  assert.ok(took < 30_000);
});

test.run();

/** What the experiment counts of an update's data. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { countDataChanges } from "../../scripts/experiment/changes.js";
import { build } from "../support/toolchain.js";

const folder = mkdtempSync(join(tmpdir(), "polus-changes-"));
test.after(() => rmSync(folder, { recursive: true, force: true }));

const head = `
#include <stdlib.h>
enum state { idle, busy };
struct plain { int a; char *b; };
union either { long number; struct plain plain; };
struct outer { struct padded *inner; enum state state; };
`;
const program = `${head}
struct padded { int flag; long value; };
static int limit = 4;
static long table[] = {1, 2, 3};
struct outer outer;
struct plain plain;
union either either;
int count(void) { static int calls; return (int)table[++calls % 3] + limit; }
int main(void) { outer.inner = calloc(1, sizeof *outer.inner); return count() + plain.a + (int)either.number; }
`;

function linked(name: string, text: string, flags: readonly string[]): string {
  const source = join(folder, `${name}.c`);
  writeFileSync(source, text);
  return build({ name, sources: [source], flags: ["-g", "-O1", ...flags] });
}

const old = linked("counted_program", program, []);
const counted = (name: string, text: string): unknown =>
  countDataChanges(old, linked(name, text, ["-shared", "-fPIC"]));

test("an update that takes over what the program has changes neither types nor globals", () => {
  const text = `${program.replace("int main(void)", "int other(void)").replace("+ limit", "- limit")}`;
  assert.equal(counted("counted_same.so", text), { types: 0, globals: 0 });
});

test("a field in padding is a changed type, once, and what points to it is none", () => {
  const text = program
    .replace("int flag; long value;", "int flag; int strict; long value;")
    .replace("int main(void)", "int other(void)");
  assert.equal(counted("counted_padding.so", text), { types: 1, globals: 0 });
});

test("new variables, statics of functions and tables that grow are counted, other names of fields are not", () => {
  const text = program
    .replace("int a; char *b;", "int first; char *b;")
    .replace("plain.a", "plain.first")
    .replace("{1, 2, 3}", "{1, 2, 3, 4}")
    .replace("idle, busy", "idle, busy, ended")
    .replace("static int calls;", "static int calls; static long more; more++;")
    .replace("int main(void)", "int added = 5; int other(void)");
  assert.equal(counted("counted_more.so", text), { types: 1, globals: 3 });
});

test.run();

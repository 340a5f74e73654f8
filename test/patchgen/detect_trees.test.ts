/** Detection over several units: what is skipped, what is kept between runs, what is refused. */
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { defaultCacheFolder } from "../../patchgen/detect/result_cache.js";
import { readAssembly } from "../../patchgen/detect/assembly.js";
import { baseFolder, compareTrees, refusal, treeWith } from "./source_trees.js";

const header = "struct entry { int key; int value; };\nextern const struct entry table[];\n";
const user = `#include "table.h"\nint look(int n) { return table[n].value; }\nint nothing(void) { return 0; }\n`;
const table = `#include "table.h"\nconst struct entry table[] = {{1, 2}, {3, 4}};\n`;
const plain = "int plain(int n) { return n; }\n";
const files = { "table.h": header, "user.c": user, "table.c": table, "plain.c": plain };

test("units of the same text are skipped, whatever the trees are called", async () => {
  const commented = { ...files, "plain.c": `/* plain */\n\n${plain}` };
  const detection = await compareTrees(treeWith(files), treeWith(commented));
  assert.equal(detection.units, []);
  assert.equal(detection.types, []);
  assert.is(detection.statistics.units, 3);
  assert.is(detection.statistics.skipped, 3);
});

test("a changed file that is included by a macro's name, or below another folder, is seen", async () => {
  const byMacro = {
    "value.h": "#define VALUE 1\n",
    "plain.c": '#define NAME "value.h"\n#include NAME\nint plain(void) { return VALUE; }\n',
  };
  const byPath = {
    "value.h": "#define VALUE 1\n",
    "outer.h": '#include "./value.h"\n',
    "plain.c": "#include <outer.h>\nint plain(void) { return VALUE; }\n",
  };
  for (const tree of [byMacro, byPath]) {
    const changed = { ...tree, "value.h": "#define VALUE 2\n" };
    const call = ["gcc", "-O2", "-I."];
    const detection = await compareTrees(treeWith(tree, call), treeWith(changed, call));
    assert.equal(
      detection.units.map((unit) => unit.functions.map((one) => one.name)),
      [["plain"]],
    );
  }
});

test("a unit of the same text differs when it names another unit's changed object", async () => {
  const changed = { ...files, "table.c": table.replace("{3, 4}", "{3, 5}, {6, 7}") };
  const detection = await compareTrees(treeWith(files), treeWith(changed));
  assert.is(detection.statistics.skipped, 2);
  assert.equal(
    detection.units.map(({ source, functions, data }) => ({
      source,
      functions: functions.map(({ name, reasons }) => ({ name, reasons })),
      data: data.map(({ name, how }) => `${name} ${how}`),
    })),
    [
      { source: "table.c", functions: [], data: ["table grown"] },
      {
        source: "user.c",
        functions: [{ name: "look", reasons: [{ kind: "refers-to-data", of: "table" }] }],
        data: [],
      },
    ],
  );
});

test("a unit may name another unit's changed object by pasting", async () => {
  const pasting = `#define BOTH(a, b) a##b
struct entry { int key; int value; };
extern const struct entry BOTH(ta, ble)[];
int look(int n) { return BOTH(ta, ble)[n].value; }
`;
  const old = { ...files, "user.c": pasting };
  const now = { ...old, "table.c": table.replace("{3, 4}", "{3, 5}, {6, 7}") };
  const detection = await compareTrees(treeWith(old), treeWith(now));
  const [user] = detection.units.filter(({ source }) => source === "user.c");
  assert.equal(
    user?.functions.map(({ name, reasons }) => [name, reasons]),
    [["look", [{ kind: "refers-to-data", of: "table" }]]],
  );
});

test("added and removed units are told whole", async () => {
  const { "plain.c": _, ...without } = files;
  const removed = await compareTrees(treeWith(files), treeWith(without));
  const added = await compareTrees(treeWith(without), treeWith(files));
  assert.equal(
    removed.units.map((unit) => [unit.source, unit.new, unit.functions[0]?.how]),
    [["plain.c", null, "removed"]],
  );
  assert.equal(
    added.units.map((unit) => [unit.source, unit.old, unit.functions[0]?.how]),
    [["plain.c", null, "added"]],
  );
});

test("a unit that defines nothing may gain and lose what it defines", async () => {
  const empty = { "plain.c": `#if 0\n${plain}#endif\ntypedef int unused;\n` };
  const told = async (old: typeof empty, now: typeof empty): Promise<unknown> =>
    (await compareTrees(treeWith(old), treeWith(now))).units.map((unit) =>
      unit.functions.map((one) => `${one.name} ${one.how}`),
    );
  assert.equal(await told(empty, { "plain.c": plain }), [["plain added"]]);
  assert.equal(await told({ "plain.c": plain }, empty), [["plain removed"]]);
  assert.equal(await told(empty, { "plain.c": "typedef long unused;\n" }), []);
});

test("other options of the compiler are a difference", async () => {
  const detection = await compareTrees(
    treeWith({ "plain.c": plain }, ["gcc", "-O2"]),
    treeWith({ "plain.c": plain }, ["gcc", "-O2", "-fcf-protection=full"]),
  );
  assert.equal(
    detection.units.map((unit) => unit.functions.map((one) => one.reasons[0]?.kind)),
    [["body"]],
  );
});

test("results are kept by content, and damaged ones are made again", async () => {
  const cache = join(baseFolder, "cache");
  const changed = { ...files, "plain.c": plain.replace("return n", "return n + 1") };
  const first = await compareTrees(treeWith(files), treeWith(changed), cache);
  assert.is(first.statistics.cached, 0);
  const second = await compareTrees(treeWith(files), treeWith(changed), cache);
  assert.is(second.statistics.cached, 1);
  const named = (one: typeof first): unknown => one.units.map((unit) => unit.functions);
  assert.equal(named(second), named(first));
  for (const name of readdirSync(cache)) writeFileSync(join(cache, name), "{}");
  const third = await compareTrees(treeWith(files), treeWith(changed), cache);
  assert.is(third.statistics.cached, 0);
  assert.equal(named(third), named(first));
});

test("the cache is where XDG says", () => {
  assert.is(defaultCacheFolder({ XDG_CACHE_HOME: "/x/y" }), "/x/y/polus/detect");
  assert.match(defaultCacheFolder({ XDG_CACHE_HOME: "relative" }), /\/\.cache\/polus\/detect$/);
});

test("a unit that does not compile is refused with what the compiler said", async () => {
  const broken = treeWith({ "plain.c": "int plain(int n) { return m; }\n" });
  const error = await refusal(compareTrees(treeWith({ "plain.c": plain }), broken));
  assert.is(error.code, "DOES_NOT_COMPILE");
  assert.match(error.message, /^plain\.c does not compile: gcc ended with exit code 1$/);
  assert.match(String(error.details.help), /'m' undeclared/);
});

test("a compiler that is not there is refused", async () => {
  const absent = ["no-such-gcc", "-O2"];
  const one = treeWith({ "plain.c": plain }, absent);
  const two = treeWith({ "plain.c": `${plain}int more;\n` }, absent);
  assert.is((await refusal(compareTrees(one, two))).code, "NO_COMPILER");
});

test("C++ may not differ", async () => {
  const one = { "plain.c": plain, "more.cc": "int more() { return 1; }\n" };
  const two = { ...one, "more.cc": "int more() { return 2; }\n" };
  const call = ["gcc", "-O2"];
  assert.equal((await compareTrees(treeWith(one, call), treeWith(one, call))).units, []);
  const error = await refusal(compareTrees(treeWith(one, call), treeWith(two, call)));
  assert.is(error.code, "CPLUSPLUS");
  assert.is(error.details.subject, "more.cc");
});

test("what is no assembly is refused", () => {
  assert.throws(
    () => readAssembly("; ModuleID = 'x'\n", "a.c"),
    (error: { code?: string }) => error.code === "UNSUPPORTED_ASSEMBLY",
  );
});

test("names made from line numbers do not keep a unit from being compared", async () => {
  const paste = "#define PASTE_(a, b) a##b\n#define PASTE(a, b) PASTE_(a, b)\n";
  const unique = "struct PASTE(s, __LINE__) { int a; };\n";
  const text = `${paste}${unique}${unique}${plain}`;
  const detection = await compareTrees(
    treeWith({ "plain.c": text }),
    treeWith({ "plain.c": text.replace("return n", "return n + 2") }),
  );
  assert.equal(
    detection.units.map((unit) => unit.functions.map((one) => one.name)),
    [["plain"]],
  );
});

test.run();

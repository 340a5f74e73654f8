/** Which differences of a preprocessed text cannot matter to the compiler. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { chunksOf, numbered } from "../../patchgen/detect/text_chunks.js";
import { differInUnusedOnly, usesAny } from "../../patchgen/detect/unused_declarations.js";
import { compareTrees, treeWith } from "./source_trees.js";

const rest = `struct item { int key; };
extern int limit;
int look(struct item *one);
static inline int twice(int n) { return n * 2; }
int use(struct item *one) { const char *word = "} ;"; return look(one) + limit + twice(*word); }
`;

function isHarmless(declaration: string): boolean {
  const added = differInUnusedOnly(rest, `${declaration}\n${rest}`);
  assert.is(differInUnusedOnly(`${declaration}\n${rest}`, rest), added, declaration);
  return added;
}

test("declarations of what is not used make no difference", () => {
  for (const declaration of [
    "int more(int n);",
    "extern int *more(struct item *one, int n) __attribute__((__pure__)) __attribute__((nonnull(1)));",
    "static int more(void);",
    "extern int more, *others[3];",
    "struct more;",
    "struct more { int a; struct { int b; } inner; };",
    "enum more { FIRST = 1, SECOND };",
    "typedef struct { int a; } more_t;",
    "typedef int (*more_t)(int);",
    "__extension__ typedef long long more_t;",
  ]) {
    assert.ok(isHarmless(declaration), declaration);
  }
});

test("what defines something, or what the rest names, makes one", () => {
  for (const declaration of [
    "int more;",
    "static int more = 1;",
    "int more(void) { return 1; }",
    "int more(void), other;",
    "int (*more)(void);",
    "unsigned int (*more)(void);",
    "int more(n) int n; { return n; }",
    "extern int more __attribute__((weak));",
    'extern void more(void) __attribute__((alias("use")));',
    '__asm__(".globl more");',
    '_Static_assert(sizeof(int) == 4, "");',
    "#pragma pack(1)",
    // Names that stand elsewhere.
    "int look(struct item *one) __attribute__((pure));",
    "struct key { int a; };",
    "enum { limit_1, one };",
    "typedef long word;",
    "struct unknown *look(int n);",
    // The compiler calls these by itself where they are declared.
    "int puts(const char *text);",
    "void *memcpy(void *to, const void *from, unsigned long n);",
  ]) {
    assert.not.ok(isHarmless(declaration), declaration);
  }
});

test("a changed definition, and another order, make one", () => {
  assert.not.ok(differInUnusedOnly(rest, rest.replace("key;", "key, value;")));
  assert.not.ok(differInUnusedOnly(rest, rest.replace('"} ;"', '"};"')));
  const [first = "", second = "", ...others] = rest.split("\n");
  assert.not.ok(differInUnusedOnly(rest, [second, first, ...others].join("\n")));
});

test("texts are split at their own level only", () => {
  assert.equal(chunksOf(`# 1 "a.c"\n#pragma once\n${rest}`), [
    "#pragma once",
    ...rest.trim().split("\n"),
  ]);
  assert.equal(chunksOf("int a = 1;\n\n  int b\n = '\"';"), ["int a = 1;", "int b = '\"';"]);
  assert.equal(chunksOf("struct s {\n int a;\n} x; int y;"), ["struct s { int a; } x;", "int y;"]);
});

test("numbers begin anew in each definition", () => {
  const before = "int f(void) { return LINE + LINE; }\nint g(void) { return LINE; }\n";
  assert.is(
    numbered(before, "LINE", 7),
    "int f(void) { return 7 + 8; }\nint g(void) { return 7; }\n",
  );
  assert.is(numbered(before, "absent", 7), before);
});

test("a declaration is no use", () => {
  assert.ok(usesAny(rest, ["limit"]));
  assert.ok(usesAny(rest, ["absent", "limit"]));
  assert.not.ok(usesAny("extern int limit;\nint limits(void) { return 1; }\n", ["limit"]));
  assert.ok(usesAny("extern int limit;\nint *where = &limit;\n", ["limit"]));
});

test("units that see another unused declaration are not compiled", async () => {
  const header = "struct entry { int key; };\nextern const struct entry table[];\n";
  const user = `#include "table.h"\nint look(int n) { return table[n].key; }\n`;
  const more = `${header}enum more { MORE };\nextern int more(struct entry *one);\n`;
  const uses = user.replace("return", "return more(0) +");
  const old = treeWith({ "table.h": header, "a.c": user, "b.c": user });
  const detection = await compareTrees(
    old,
    treeWith({ "table.h": more, "a.c": user, "b.c": uses }),
  );
  assert.is(detection.statistics.skipped, 1);
  assert.equal(
    detection.units.map(({ source }) => source),
    ["b.c"],
  );
});

test.run();

/** The tokens of preprocessed text, held against those that the compiler's own preprocessor tells one by one. */
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Compilations } from "../../patchgen/detect/compilations.js";
import { PlainTokens } from "../../patchgen/extract/plain_tokens.js";
import {
  preprocess,
  preprocessPlainly,
  type PreprocessedUnit,
} from "../../patchgen/extract/preprocess.js";
import { treeWith } from "./source_trees.js";

const unit = `#include <stdio.h>
#include <stdlib.h>
#include "own.h"
#define TWICE(x) ((x) + (x))
#pragma GCC diagnostic ignored "-Wunused"
static const char *words[] = {"a \\" b", L"c" "d", u8"e"};
static double numbers[] = {1.5e+3, .5, 0x1p-4};
static char letters[] = {'x', '\\''};
int shifted(int a) { a <<= 2; a >>= 1; a = a+++a; return a != 3 && words[a] && numbers[a]; }
int use(int n) { return TWICE(n)
  + own(n) + letters[0]; }
`;

test("they are the same tokens of the same files", async () => {
  const tree = treeWith({
    "unit.c": unit,
    "own.h": "#define own(n) (n - -1)\nstruct own { int a; };\n",
  });
  const [translation] = tree.units;
  assert.ok(translation);
  const { signal } = new AbortController();
  const told = await preprocess(tree.root, translation, signal);
  const placed = { root: tree.root, unit: translation };
  const plain = await Compilations.within(signal, (compilations) =>
    preprocessPlainly(compilations, placed),
  );
  assert.ok(told.tokens.length > 1000);
  const pairs = (unit: PreprocessedUnit): readonly (readonly [string, boolean])[] =>
    unit.tokens
      .filter(({ text }) => !text.startsWith("#pragma"))
      .map(({ text, file }) => [text, file === unit.path]);
  assert.equal(pairs(plain), pairs(told));
  assert.is(plain.path, "unit.c");
  assert.is(told.path, join(tree.root, "unit.c"));
});

test("what two units include is the same tokens", () => {
  const tokens = new PlainTokens();
  const shared = '# 1 "own.h" 1\nint shared;\n';
  const [first] = tokens.read(`# 1 "a.c"\n${shared}# 2 "a.c" 2\nint a;\n`, "a.c").slice(0, 1);
  const [second] = tokens.read(`# 1 "b.c"\n${shared}# 2 "b.c" 2\nint b;\n`, "b.c").slice(0, 1);
  assert.is(first, second);
  assert.equal(first, { text: "int", file: "own.h", line: 1, offset: null });
});

test.run();

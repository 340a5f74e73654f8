/** Splitting of units into top-level items, and where each token stands in the original file. */
import { realpathSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { splitItems, type Item } from "../../patchgen/extract/items.js";
import { preprocess, type PreprocessedUnit } from "../../patchgen/extract/preprocess.js";
import { SourceText } from "../../patchgen/extract/source_text.js";
import { temporaryFolder } from "../interpreter/temporary_folder.js";

async function unitOf(text: string): Promise<PreprocessedUnit> {
  const folder = realpathSync(temporaryFolder());
  writeFileSync(join(folder, "a.c"), text);
  const unit = {
    source: "a.c",
    directory: folder,
    arguments: ["gcc"],
    object: join(folder, "a.o"),
  };
  return preprocess(folder, unit, new AbortController().signal);
}

/** Each item as `kind name name…`. */
async function itemsOf(text: string): Promise<readonly string[]> {
  const { tokens } = await unitOf(text);
  return splitItems(tokens)
    .filter((item) => item.kind !== "other")
    .map((item) => [kindOf(item), ...item.declarators.map(({ name }) => name)].join(" "));
}

function kindOf({ kind, storage, declarators }: Item): string {
  if (kind === "function") return storage.static ? "static function" : "function";
  if (storage.typedef) return "typedef";
  if (declarators.length === 0) return "type";
  return declarators.every(({ isFunction }) => isFunction) ? "prototype" : "data";
}

test("functions, old style ones and those in GNU C", async () => {
  const text = `
typedef unsigned word; struct s { int a; };
int kr(a, b) int a; char *b; { return a; }
struct s *kr2(p, q) struct s *p; struct { int z; } *q; { return p; }
static __inline__ __attribute__((unused)) word gnu(void) { return ({ int x = 1; x; }); }
void (*handler(int n, void (*next)(int)))(int) { return next; }
word (plain)(int x) { return x; }
main() { return 0; }
__attribute__((noreturn)) void dies(void) { for (;;) { } }
struct s made(struct s in) { return in; }
`;
  assert.equal(await itemsOf(text), [
    "typedef word",
    "type",
    "function kr",
    "function kr2",
    "static function gnu",
    "function handler",
    "function plain",
    "function main",
    "function dies",
    "function made",
  ]);
});

test("data: several at once, of types defined on the spot, pointers to functions", async () => {
  const text = `
typedef int (*op)(int); struct s { int a : 3, b; };
int a = 1, *b, c[2] = { 1, 2 };
static const struct t { int x; } table[] = { { 1 }, { 2 } }, *other = table;
int (*fp)(int) = 0; op ops[] = { 0 }; op (*pops)[2]; struct s (*maker)(void);
enum e { ONE, TWO } __attribute__((packed)) which; enum e none(void), two(void);
__typeof__(a) copy; int *const volatile cv = &a; _Static_assert(1, "x");
extern int far __asm__("near"); static int f(int) __attribute__((pure));
struct s; struct { int q; } anonymous __attribute__((aligned(8)));
unsigned long long big, arr[3][4]; char text[] = "a;b{";
`;
  assert.equal(await itemsOf(text), [
    "typedef op",
    "type",
    "data a b c",
    "data table other",
    "data fp",
    "data ops",
    "data pops",
    "data maker",
    "data which",
    "prototype none two",
    "data copy",
    "data cv",
    "data far",
    "prototype f",
    "type",
    "data anonymous",
    "data big arr",
    "data text",
  ]);
});

test("tokens stand where the file has them, or nowhere if a macro made them", async () => {
  const text = `#define MAKE(name) int name##_one(int a) { return a; }
#define BODY { return 1; }
/* ä */ int late = 3; MAKE(x)
int f(void) BODY
#ifdef NEVER
int hidden;
#endif
int g(int a) { return a + \\
  sizeof(BODY_SIZE); }
#define BODY_SIZE 4
`;
  const { tokens, source } = await unitOf(text);
  for (const token of tokens) {
    if (token.offset === null) continue;
    assert.is(source.text.slice(token.offset, token.offset + token.text.length), token.text);
  }
  const of = (name: string): number | null | undefined =>
    tokens.find((token) => token.text === name)?.offset;
  assert.is(of("x_one"), null);
  assert.is(of("late"), text.indexOf("late"));
  assert.is(of("g"), text.indexOf("g(int a)"));
  assert.is(of("hidden"), undefined);
  const made = tokens.find((token) => token.text === "x_one");
  assert.is(made?.line, 3);
  assert.is(tokens.find((token) => token.text === "1")?.offset, null);
});

test("directives are found behind comments, over continuations, not in strings", () => {
  const text = `int a; /* # no
# no */ char *s = "\\
#no";
 /* c */ # define X 'don\\
  # Y
int b; // x \\
# no
#error don't /* two
lines */
#endif`;
  const found = new SourceText(text).directives.map(({ start, end }) => text.slice(start, end));
  assert.equal(found, [
    " /* c */ # define X 'don\\\n  # Y\n",
    "#error don't /* two\nlines */\n",
    "#endif",
  ]);
});

test.run();

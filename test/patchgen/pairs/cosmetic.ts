/** Versions that mean the same: nothing may be found. */
import type { Pair } from "./pair.js";

const noinline = "__attribute__((noinline))";

const text = `#include <assert.h>
enum color { RED, GREEN };
struct point { int x; int y; };
typedef int amount;
#define SUM (5 + 5)
#define SAME(x) (x)
static const char greeting[] = "hello";
static struct point origin = {1, 2};
int limit = 40;
static ${noinline} int first(int n) { static int count; count++; return n + SUM + count; }
static ${noinline} int second(int n) {
  static int count;
  int result = n;
  for (int i = 0; i < 3; i++) {
    if (result > limit) break;
    result += i;
  }
  count += result;
  return count;
}
${noinline} int third(struct point *p, int n) { return p->x + p->y * n; }
int step(int n) { assert(n < 1000000); return first(n) + second(n) + third(&origin, n) + greeting[0] + GREEN; }
`;

const same = (name: string, ...edits: Pair["edits"]): Pair => ({
  name,
  text,
  edits,
  functions: [],
  asks: [5, 140, 140],
});

export const cosmeticPairs: readonly Pair[] = [
  same("nothing"),
  same("added comment", ["int limit", "/* how far\n   it goes */ int limit"]),
  same("added lines before everything", ["#include", "\n\n\n\n#include"]),
  same("other indentation", ["  int result = n;", "\t\tint  result=n ;"]),
  same("renamed local", [
    "int result = n;\n  for (int i = 0; i < 3; i++) {\n    if (result > limit) break;\n    result += i;\n  }\n  count += result;",
    "int sum = n;\n  for (int k = 0; k < 3; k++) {\n    if (sum > limit) break;\n    sum += k;\n  }\n  count += sum;",
  ]),
  same("renamed parameter", [
    "third(struct point *p, int n) { return p->x + p->y * n; }",
    "third(struct point *q, int m) { return q->x + q->y * m; }",
  ]),
  same("equal constant expression", ["(5 + 5)", "10"]),
  same("hexadecimal number", ["limit = 40", "limit = 0x28"]),
  same("added prototype", ["int limit", "int step(int n);\nint limit"]),
  same("unused macro", ["#define SUM", "#define UNUSED 7\n#define SUM"]),
  same("macro for what stood there", ["return count;\n}", "return SAME(count);\n}"]),
  same("unused type", ["int limit", "struct unused { int a; };\nint limit"]),
  same("comma after the last enumerator", ["RED, GREEN }", "RED, GREEN, }"]),
  same("braces", ["if (result > limit) break;", "if (result > limit) { break; }"]),
  same("parentheses", ["n + SUM + count", "((n + SUM) + count)"]),
  same("increment's form", ["result += i;", "result = result + i;"]),
  same("typedef for the same type", ["int limit", "amount limit"]),
  same("explicit zero", ["static int count;\n", "static int count = 0;\n"]),
  same("array's length", ['greeting[] = "hello"', 'greeting[6] = "hello"']),
  same("string in pieces", ['"hello"', '"hel" "lo"']),
  same(
    "functions in another order",
    [
      `static ${noinline} int first(int n) { static int count; count++; return n + SUM + count; }\n`,
      "",
    ],
    [
      `${noinline} int third`,
      `static ${noinline} int first(int n) { static int count; count++; return n + SUM + count; }\n${noinline} int third`,
    ],
  ),
  same("comparison the other way round", ["result > limit", "limit < result"]),
  same("inclusion twice", ["#include <assert.h>", "#include <assert.h>\n#include <assert.h>"]),
  same("attribute of what is never called", [
    "int limit",
    "void nobody(void) __attribute__((cold));\nint limit",
  ]),
];

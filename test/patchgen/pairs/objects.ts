/** Changes of objects of static storage duration. */
import type { Pair } from "./pair.js";

const noinline = "__attribute__((noinline))";

const tables = `
struct entry { int key; const char *word; };
static const struct entry table[] = {{1, "one"}, {2, "two"}, {3, "three"}};
int limit = 5;
static int weights[4] = {1, 2, 3, 4};
${noinline} int find(int n) {
  for (unsigned i = 0; i < sizeof table / sizeof *table; i++)
    if (table[i].key == n) return table[i].word[1];
  return 0;
}
${noinline} int clamp(int n) { limit += n == 77; return n > limit ? limit : n; }
${noinline} int weigh(int n) { weights[n & 3]++; return weights[n & 3] * n; }
int step(int n) { return find(n) * 10000 + clamp(n) * 100 + weigh(n); }
`;

const locals = `
${noinline} int first(int n) { static int count = 10; count += n; return count; }
${noinline} int second(int n) { static int count = 20; count -= n; return count; }
int step(int n) { return first(n) * 100 + second(n); }
`;

const handlers = `
typedef int (*handler)(int);
static int zero(int n) { return n; }
static int one(int n) { return n + 1; }
static handler handlers[] = {zero, one};
static const handler fixed[] = {one, zero};
const handler *volatile current = fixed;
${noinline} int run(int n) { return handlers[n & 1](n); }
${noinline} int reset(int n) { if (n == 99) handlers[0] = one; return current[n & 1](n); }
int step(int n) { return run(n) * 100 + reset(n); }
`;

const opaque = `
const int primes[] = {2, 3, 5, 7};
const int *const list = primes;
int level = 3;
volatile int *const watched = &level;
${noinline} int through(int n) { return list[n & 3] + *watched; }
${noinline} int own(int n) { return primes[n & 3]; }
int step(int n) { return through(n) * 100 + own(n); }
`;

export const objectPairs: readonly Pair[] = [
  {
    name: "initialiser of a global",
    text: tables,
    edits: [["limit = 5", "limit = 6"]],
    functions: [],
    data: ["limit initialiser"],
    asks: [9, 527, 627],
    refused: "differ only in what limit begins with",
  },
  {
    name: "initialiser of a static array",
    text: tables,
    edits: [["{1, 2, 3, 4}", "{1, 2, 9, 4}"]],
    functions: [],
    data: ["weights initialiser"],
    asks: [2, 1190208, 1190220],
    refused: "differ only in what weights begins with",
  },
  {
    name: "entry of a constant table",
    text: tables,
    edits: [['"two"', '"tvo"']],
    functions: ["find binary,refers-to-data"],
    data: ["table initialiser"],
    asks: [2, 1190208, 1180208],
    live: [1190208, 1180210, 1190212],
  },
  {
    name: "grown constant table",
    text: tables,
    edits: [['{3, "three"}', '{3, "three"}, {4, "four"}']],
    functions: ["find body,refers-to-data"],
    data: ["table grown"],
    asks: [4, 408, 1110408],
    live: [408, 1110412, 416],
  },
  {
    name: "grown array",
    text: tables,
    edits: [["weights[4] = {1, 2, 3, 4}", "weights[5] = {1, 2, 3, 4, 5}"]],
    functions: ["weigh refers-to-data"],
    data: ["weights grown"],
    asks: [2, 1190208, 1190208],
    live: [1190208, 1190210, 1190212],
  },
  {
    name: "wider global",
    text: tables,
    edits: [["int limit = 5", "long limit = 5"]],
    functions: ["clamp body,refers-to-data"],
    data: ["limit layout"],
    asks: [9, 527, 527],
    live: [527, 536, 545],
  },
  {
    name: "global of another signedness",
    text: tables,
    edits: [["int limit = 5", "unsigned limit = 5"]],
    functions: ["clamp body,refers-to-data"],
    data: ["limit layout"],
    asks: [-1, -105, 495],
    live: [-105, 494, -107],
  },
  {
    name: "added global",
    text: tables,
    edits: [
      ["int limit = 5;", "int limit = 5;\nint calls = 40;"],
      ["limit += n == 77;", "limit += n == 77; calls++; if (calls == 41) return 1;"],
    ],
    functions: ["clamp body"],
    data: ["calls added"],
    asks: [9, 527, 127],
    live: [527, 136, 545],
  },
  {
    name: "removed global",
    text: tables,
    edits: [
      ["int limit = 5;", ""],
      ["limit += n == 77; return n > limit ? limit : n;", "return n;"],
    ],
    functions: ["clamp body"],
    data: ["limit removed"],
    asks: [9, 527, 927],
    live: [527, 936, 545],
  },
  {
    name: "global that becomes static",
    text: tables,
    edits: [["int limit = 5", "static int limit = 5"]],
    functions: [],
    data: ["limit linkage"],
    asks: [9, 527, 527],
    refused: "do not differ in what a patch could change",
  },
  {
    name: "order of a struct's constant entries",
    text: tables,
    edits: [['{1, "one"}, {2, "two"}', '{2, "one"}, {1, "two"}']],
    functions: ["find binary,refers-to-data"],
    data: ["table initialiser"],
    asks: [2, 1190208, 1100208],
    live: [1190208, 1100210, 1190212],
  },
  {
    name: "initialiser of a static local",
    text: locals,
    edits: [["count = 20", "count = 30"]],
    functions: [],
    data: ["second.count initialiser"],
    asks: [5, 1515, 1525],
    refused: "differ only in what count of second begins with",
  },
  {
    name: "wider static local",
    text: locals,
    edits: [["static int count = 10", "static long count = 10"]],
    functions: ["first body,refers-to-data"],
    data: ["first.count layout"],
    asks: [5, 1515, 1515],
    live: [1515, 2010, 2505],
  },
  {
    name: "added static local before others of its name",
    text: locals,
    edits: [
      [
        `${noinline} int first`,
        `${noinline} int zeroth(int n) { static int count = 1; count += n; return count; }\n${noinline} int first`,
      ],
      ["return first(n)", "return zeroth(n) + first(n)"],
    ],
    functions: ["step body", "zeroth added"],
    data: ["zeroth.count added"],
    asks: [5, 1515, 1521],
    live: [1515, 2016, 2505],
  },
  {
    name: "removed static local",
    text: locals,
    edits: [["static int count = 20; count -= n; return count;", "return 20 - n;"]],
    functions: ["second body"],
    data: ["second.count removed"],
    asks: [5, 1515, 1515],
    live: [1515, 2015, 2510],
  },
  {
    name: "static local that becomes automatic",
    text: locals,
    edits: [["static int count = 10", "int count = 10"]],
    functions: ["first body"],
    data: ["first.count removed"],
    asks: [5, 1515, 1515],
    live: [1515, 1510, 2005],
  },
  {
    name: "function in a table of functions",
    text: handlers,
    edits: [["n + 1", "n + 2"]],
    functions: ["one body"],
    asks: [1, 201, 301],
  },
  {
    name: "entry of a table of functions that may be written",
    text: handlers,
    edits: [["{zero, one}", "{one, one}"]],
    functions: [],
    data: ["handlers initialiser"],
    asks: [2, 203, 303],
    refused: "differ only in what handlers begins with",
  },
  {
    name: "entry of a constant table of functions",
    text: handlers,
    edits: [["{one, zero}", "{zero, zero}"]],
    functions: [],
    data: ["current initialiser", "fixed initialiser"],
    asks: [2, 203, 202],
    refused: "differ only in what current, fixed begins with",
  },
  {
    name: "grown table of functions",
    text: handlers,
    edits: [
      ["{zero, one}", "{zero, one, zero}"],
      ["handlers[n & 1]", "handlers[n % 3]"],
    ],
    functions: ["reset refers-to-data", "run body,refers-to-data"],
    data: ["handlers grown"],
    asks: [2, 203, 203],
  },
  {
    name: "constant table behind a pointer",
    text: opaque,
    edits: [["{2, 3, 5, 7}", "{2, 3, 6, 7}"]],
    functions: ["own refers-to-data", "through refers-to-data"],
    data: ["list initialiser", "primes initialiser"],
    asks: [2, 805, 906],
  },
];

/** Changes that the text of the changed function does not show: macros, inlining, declarations. */
import type { Pair } from "./pair.js";

const noinline = "__attribute__((noinline))";

const macros = `
#define LIMIT 10
#define TWICE(x) ((x) + (x))
#define CHECKED 0
${noinline} int bounded(int n) { return n > LIMIT ? LIMIT : n; }
${noinline} int doubled(int n) { return TWICE(n); }
${noinline} int checked(int n) {
#if CHECKED
  if (n < 0) return 0;
#endif
  return n;
}
int step(int n) { return bounded(n) * 10000 + doubled(n) * 100 + checked(n); }
`;

const generated = `
struct node { struct node *left; int key; };
#define GENERATE(name, type, field, compare) \\
  __attribute__((unused)) static int name##_last(struct type *n) { return compare(n, n); } \\
  static int name##_first(struct type *n) { while (n->field) n = n->field; return n->key; } \\
  static int name##_order(struct type *a, struct type *b) { return compare(a, b) < 0 ? 1 : 2; }
static int by_key(struct node *a, struct node *b) { return a->key - b->key; }
GENERATE(tree, node, left, by_key)
${noinline} int ordered(int n) {
  struct node one = {0, n}, two = {&one, 3};
  return tree_first(&two) * 10 + tree_order(&one, &two);
}
int step(int n) { return ordered(n); }
`;

const inlined = `
static inline int tiny(int n) { return n + 1; }
static int middle(int n) { return tiny(n) * 2; }
static __attribute__((always_inline)) inline int forced(int n) { return n - 3; }
${noinline} int user(int n) { return middle(n); }
${noinline} int further(int n) { return forced(n); }
int step(int n) { return user(n) * 100 + further(n); }
`;

const declared = `
typedef int amount;
static ${noinline} amount narrow(amount n) { return n / 2; }
${noinline} int keep(int n, int unused) { (void)unused; return n + 5; }
${noinline} int aliased(int n) { return n * 7; }
int other_name(int n) __attribute__((alias("aliased")));
int step(int n) { return narrow(n) * 10000 + keep(n, 3) * 100 + other_name(n); }
`;

const cloned = `
static ${noinline} int scaled(int n, int by) { return n * by + n / by; }
static ${noinline} int unusedPart(int n, int a, int b) { return b ? n - b : n; }
${noinline} int left(int n) { return scaled(n, 3); }
${noinline} int right(int n) { return unusedPart(n, n, 4); }
int step(int n) { return left(n) * 100 + right(n); }
`;

export const contextPairs: readonly Pair[] = [
  {
    name: "value of a macro",
    text: macros,
    edits: [["LIMIT 10", "LIMIT 12"]],
    functions: ["bounded body"],
    asks: [15, 103015, 123015],
  },
  {
    name: "body of a macro with parameters",
    text: macros,
    edits: [["((x) + (x))", "((x) * (x))"]],
    functions: ["doubled body", "step binary"],
    asks: [3, 30603, 30903],
  },
  {
    name: "some of the functions that a macro generates, needed by a changed one",
    text: generated,
    edits: [["* 10 +", "* 100 +"]],
    functions: ["ordered body"],
    asks: [2, 21, 201],
  },
  {
    name: "conditional text",
    text: macros,
    edits: [["CHECKED 0", "CHECKED 1"]],
    functions: ["checked body"],
    asks: [-5, -51005, -51000],
  },
  {
    name: "inlined function",
    text: inlined,
    edits: [["n + 1", "n + 2"]],
    functions: ["tiny body", "user binary"],
    asks: [4, 1001, 1201],
  },
  {
    name: "function inlined once",
    text: inlined,
    edits: [["tiny(n) * 2", "tiny(n) * 3"]],
    functions: ["middle body", "user binary"],
    asks: [4, 1001, 1501],
  },
  {
    name: "function that is always inlined",
    text: inlined,
    edits: [["n - 3", "n - 4"]],
    functions: ["further body"],
    asks: [4, 1001, 1000],
  },
  {
    name: "function that is no longer inlined",
    text: inlined,
    edits: [["static int middle", `static ${noinline} int middle`]],
    functions: ["user binary"],
    asks: [4, 1001, 1001],
  },
  {
    name: "typedef",
    text: declared,
    edits: [["typedef int amount", "typedef unsigned amount"]],
    functions: ["narrow body", "step binary"],
    asks: [8, 41356, 41356],
  },
  {
    name: "added parameter",
    text: declared,
    edits: [
      [
        "keep(int n, int unused) { (void)unused; return n + 5; }",
        "keep(int n, int a, int b) { return n + a * b; }",
      ],
      ["keep(n, 3)", "keep(n, 3, 2)"],
    ],
    functions: ["keep body", "step body"],
    asks: [8, 41356, 41456],
  },
  {
    name: "wider result",
    text: declared,
    edits: [["int keep(int n,", "long keep(int n,"]],
    functions: ["keep body"],
    asks: [8, 41356, 41356],
  },
  {
    name: "function behind an alias",
    text: declared,
    edits: [["n * 7", "n * 9"]],
    functions: ["aliased body"],
    asks: [8, 41356, 41372],
  },
  {
    name: "what an alias stands for",
    text: declared,
    edits: [
      ['alias("aliased")', 'alias("plus")'],
      ["int other_name", "int plus(int n) { return n + 1; }\nint other_name"],
    ],
    functions: ["other_name body", "plus added", "step binary"],
    asks: [8, 41356, 41309],
  },
  {
    name: "constant that a clone was made for",
    text: cloned,
    edits: [["scaled(n, 3)", "scaled(n, 5)"]],
    functions: ["left body", "scaled binary"],
    asks: [30, 10026, 15626],
  },
  {
    name: "function of which only a clone exists",
    text: cloned,
    edits: [["n * by +", "n * by -"]],
    functions: ["scaled body"],
    asks: [30, 10026, 8026],
  },
  {
    name: "parameter that a clone left out",
    text: cloned,
    edits: [["b ? n - b : n", "b ? n - b + a : n"]],
    functions: ["right binary", "unusedPart body"],
    asks: [30, 10026, 10056],
  },
  {
    name: "attribute that decides what is called",
    text: `
${noinline} int chosen(int n) { return n; }
#define chosen(n) __builtin_choose_expr(sizeof(n) == 4, chosen(n), 0)
int step(int n) { return chosen(n); }
`,
    edits: [["sizeof(n) == 4", "sizeof(n) == 8"]],
    functions: ["step body"],
    asks: [8, 8, 0],
  },
  {
    name: "table that an inlined function reads",
    text: `
static const int prices[] = {10, 20, 30};
static int price(int n) { return prices[n % 3]; }
${noinline} int sum(int n) { return price(n) + price(n + 1); }
int step(int n) { return sum(n); }
`,
    edits: [["20, 30", "20, 35"]],
    functions: ["price refers-to-data", "sum refers-to-data"],
    data: ["prices initialiser"],
    asks: [1, 50, 55],
  },
  {
    name: "volatile access",
    text: `
int shared = 4;
${noinline} int twice(int n) { int a = shared; int b = shared; return a + b + n; }
int step(int n) { return twice(n); }
`,
    edits: [["int shared", "volatile int shared"]],
    functions: ["twice binary"],
    asks: [1, 9, 9],
  },
];

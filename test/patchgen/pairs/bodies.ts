/** Changes in what functions do. */
import type { Pair } from "./pair.js";

const noinline = "__attribute__((noinline))";

const calls = `
static ${noinline} int helper(int n) { return n * 3; }
${noinline} int other(int n) { return n - 7; }
int step(int n) { return helper(n) + other(n); }
`;

const control = `
${noinline} int pick(int n) {
  switch (n) {
    case 1: return 11;
    case 2: return 25;
    case 3: return 31;
    case 4: return 48;
    case 5: return 57;
    default: return 0;
  }
}
${noinline} int sum(int n) { int s = 0; for (int i = 0; i < n; i++) s += i * i ^ 5; return s; }
${noinline} int guard(int n) { if (n > 10) return -1; return n; }
int step(int n) { return pick(n) * 10000 + sum(n) * 100 + guard(n); }
`;

export const bodyPairs: readonly Pair[] = [
  {
    name: "constant in a static function",
    text: calls,
    edits: [["n * 3", "n * 4"]],
    functions: ["helper body"],
    asks: [10, 33, 43],
  },
  {
    name: "operator in a global function",
    text: calls,
    edits: [["n - 7", "n + 7"]],
    functions: ["other body"],
    asks: [10, 33, 47],
  },
  {
    name: "call of another function",
    text: calls,
    edits: [["helper(n) + other(n)", "other(n) + other(n)"]],
    functions: ["step body"],
    asks: [10, 33, 6],
  },
  {
    name: "order of operands that matters",
    text: calls,
    edits: [["helper(n) + other(n)", "other(n) - helper(n)"]],
    functions: ["step body"],
    asks: [10, 33, -27],
  },
  {
    name: "added static function",
    text: calls,
    edits: [
      [
        `${noinline} int other`,
        `static ${noinline} int fresh(int n) { return n ^ 1; }\n${noinline} int other`,
      ],
      ["helper(n) + other(n)", "fresh(n) + other(n)"],
      [`static ${noinline} int helper(int n) { return n * 3; }`, ""],
    ],
    functions: ["fresh added", "helper removed", "step body"],
    asks: [10, 33, 14],
  },
  {
    name: "added global function",
    text: calls,
    edits: [
      ["int step", `${noinline} int twice(int n) { return n * 2 + 1; }\nint step`],
      ["+ other(n)", "+ twice(n)"],
    ],
    functions: ["step body", "twice added"],
    asks: [10, 33, 51],
  },
  {
    name: "condition's boundary",
    text: control,
    edits: [["n > 10", "n >= 10"]],
    functions: ["guard body"],
    asks: [10, 30910, 30899],
  },
  {
    name: "added early return",
    text: control,
    edits: [["{ if (n > 10)", "{ if (n == 3) return 99; if (n > 10)"]],
    functions: ["guard body"],
    asks: [3, 311003, 311099],
  },
  {
    name: "removed check",
    text: control,
    edits: [["if (n > 10) return -1; ", ""]],
    functions: ["guard body"],
    asks: [11, 40599, 40611],
  },
  {
    name: "result of a case",
    text: control,
    edits: [["return 48", "return 49"]],
    functions: ["pick body"],
    asks: [4, 482204, 492204],
  },
  {
    name: "added case",
    text: control,
    edits: [["default:", "case 6: return 66;\n    default:"]],
    functions: ["pick body"],
    asks: [6, 7106, 667106],
  },
  {
    name: "loop's bound",
    text: control,
    edits: [["i < n", "i <= n"]],
    functions: ["step binary", "sum body"],
    asks: [2, 250902, 251002],
  },
  {
    name: "loop's start",
    text: control,
    edits: [["int i = 0", "int i = 1"]],
    functions: ["sum body"],
    asks: [2, 250902, 250402],
  },
  {
    name: "string literal",
    text: `#include <string.h>
${noinline} const char *word(int n) { return n ? "alpha" : "be"; }
int step(int n) { return (int)strlen(word(n)); }
`,
    edits: [["alpha", "gamma delta"]],
    functions: ["word body"],
    asks: [1, 5, 11],
  },
  {
    name: "string literal of the same length",
    text: `${noinline} const char *word(int n) { return n ? "alpha" : "omega"; }
int step(int n) { return word(n)[0]; }
`,
    edits: [["alpha", "zlpha"]],
    functions: ["word body"],
    asks: [1, 97, 122],
  },
  {
    name: "floating constant",
    text: `${noinline} double scale(int n) { return n * 1.5; }
int step(int n) { return (int)(scale(n) * 10); }
`,
    edits: [["1.5", "2.5"]],
    functions: ["scale body"],
    asks: [4, 60, 100],
  },
  {
    name: "table of a switch",
    text: `${noinline} int color(int n) { switch (n) { case 0: return 9; case 1: return 4; case 2: return 17; case 3: return 2; case 4: return 8; } return -1; }
int step(int n) { return color(n); }
`,
    edits: [["return 17", "return 18"]],
    functions: ["color body"],
    asks: [2, 17, 18],
  },
  {
    name: "recursion",
    text: `${noinline} int down(int n) { return n <= 0 ? 1 : n * down(n - 1); }
int step(int n) { return down(n); }
`,
    edits: [["? 1", "? 2"]],
    functions: ["down body"],
    asks: [3, 6, 12],
  },
  {
    name: "name of the function itself",
    text: `#include <string.h>
static ${noinline} int brief(int n) { return n + (int)strlen(__func__); }
int step(int n) { return brief(n); }
`,
    edits: [
      ["int brief(", "int lengthened("],
      ["return brief(", "return lengthened("],
    ],
    functions: ["brief removed", "lengthened added", "step body"],
    asks: [1, 6, 11],
  },
];

/** Changes of types, seen in code whose text is the same. */
import type { Pair } from "./pair.js";

const noinline = "__attribute__((noinline))";

const records = `
enum state { IDLE, BUSY = 4, DONE };
struct inner { short a; int b; };
struct outer { char tag; struct inner in; enum state state; struct outer *next; int last; };
union word { int whole; unsigned char parts[4]; };
typedef struct { int x; int y; } point;
struct flags { unsigned low : 3; unsigned high : 5; };
struct outer object = {'t', {1, 2}, BUSY, 0, 9};
point place = {3, 4};
struct flags bits;
${noinline} int last(struct outer *o) { return o->last; }
${noinline} int state(struct outer *o) { return o->state == DONE ? 1 : (int)BUSY; }
${noinline} int area(point *p) { return p->x * 10 + p->y; }
${noinline} int part(int n) { union word w; w.whole = n; return w.parts[0]; }
${noinline} int flag(int n) { bits.high = n; return bits.high; }
${noinline} int size(int n) { return n + (int)sizeof(struct outer); }
${noinline} int inner(struct inner *i) { return i->b; }
int step(int n) {
  return last(&object) + 10 * state(&object) + area(&place) + part(n) + flag(n) + size(n) + inner(&object.in);
}
`;

/** No object of the record outlives a call: there is nothing to carry over. */
const onStack = `
struct part { short a; short b; };
${noinline} int untyped(void *data) { struct part *p = data; return p->a * 10 + p->b; }
${noinline} int typed(const struct part *p) { return p->a - p->b; }
int step(int n) { struct part p = {n, 2}; return 100 * untyped(&p) + typed(&p); }
`;

export const typePairs: readonly Pair[] = [
  {
    name: "value of an enumerator",
    text: records,
    edits: [["BUSY = 4", "BUSY = 7"]],
    functions: ["state body", "step binary"],
    data: ["object initialiser"],
    types: ["enum state"],
    asks: [1, 120, 150],
  },
  {
    name: "enumerator before others",
    text: records,
    edits: [["IDLE, BUSY = 4", "IDLE, BUSY = 4, WAITING"]],
    functions: ["state body"],
    types: ["enum state"],
    asks: [1, 120, 120],
  },
  {
    name: "member added at the end",
    text: records,
    edits: [["int last; };", "int last; int extra; long more; };"]],
    functions: ["size body", "step refers-to-data"],
    data: ["object layout"],
    types: ["struct outer"],
    asks: [1, 120, 128],
  },
  {
    name: "member added in padding",
    text: records,
    edits: [["char tag;", "char tag; char extra;"]],
    functions: ["step refers-to-data"],
    data: ["object layout"],
    types: ["struct outer"],
    asks: [1, 120, 109],
    live: [120, 120, 120],
  },
  {
    name: "members in another order",
    text: records,
    edits: [["{ int x; int y; }", "{ int y; int x; }"]],
    functions: ["area body", "step refers-to-data"],
    data: ["place layout"],
    types: ["point"],
    asks: [1, 120, 129],
    live: [120, 120, 120],
  },
  {
    name: "member of a contained struct",
    text: records,
    edits: [["{ short a; int b; }", "{ short a; long b; }"]],
    functions: ["inner body", "last body", "size body", "state body", "step body,refers-to-data"],
    data: ["object layout"],
    types: ["struct inner", "struct outer"],
    asks: [1, 120, 136],
  },
  {
    name: "member of a union",
    text: records,
    edits: [["unsigned char parts[4]", "signed char parts[4]"]],
    functions: ["part body"],
    types: ["union word"],
    asks: [200, 525, 269],
  },
  {
    name: "width of a bit-field",
    text: records,
    edits: [["high : 5", "high : 6"]],
    functions: ["flag body,refers-to-data"],
    data: ["bits layout"],
    types: ["struct flags"],
    asks: [33, 184, 216],
  },
  {
    name: "place of a bit-field",
    text: records,
    edits: [["low : 3", "low : 4"]],
    functions: ["flag body,refers-to-data"],
    data: ["bits layout"],
    types: ["struct flags"],
    asks: [1, 120, 120],
  },
  {
    name: "alignment of a struct",
    text: records,
    edits: [
      [
        "struct inner { short a; int b; };",
        "struct inner { short a; int b; } __attribute__((aligned(16)));",
      ],
    ],
    functions: ["last body", "size body", "state body", "step body,refers-to-data"],
    data: ["object layout"],
    types: ["struct inner", "struct outer"],
    asks: [1, 120, 152],
  },
  {
    name: "packed struct",
    text: records,
    edits: [["int b; };", "int b; } __attribute__((packed));"]],
    functions: ["inner body", "state body", "step body,refers-to-data"],
    data: ["object layout"],
    types: ["struct inner", "struct outer"],
    asks: [1, 120, 120],
  },
  {
    name: "removed member",
    text: records,
    edits: [
      ["char tag; ", ""],
      ["{'t', ", "{"],
    ],
    functions: ["state body", "step body,refers-to-data"],
    data: ["object layout"],
    types: ["struct outer"],
    asks: [1, 120, 120],
  },
  {
    name: "member of another signedness",
    text: records,
    edits: [["int last; };", "unsigned short last; };"]],
    functions: ["last body", "step refers-to-data"],
    data: ["object layout"],
    types: ["struct outer"],
    asks: [1, 120, 120],
  },
  {
    name: "struct on the stack only",
    text: onStack,
    edits: [["{ short a; short b; }", "{ int b; char a; }"]],
    functions: ["step body", "typed body", "untyped body"],
    types: ["struct part"],
    asks: [7, 7205, 2695],
  },
];

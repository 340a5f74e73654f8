// timeout 600s
/** State transfer that is generated: values survive the update of a running program and its rollback. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { AnsweringProgram, type Change, type Sources } from "./answering_program.js";

/** A server whose `answer` is called anew for each number, so that a version can be replaced. */
function server(text: string): Sources {
  return {
    Makefile: "CFLAGS = -g -O2\nprog: main.o server.o\n\t$(CC) -o $@ $^\n",
    "main.c": `#include <stdio.h>
long answer(int n);
int main(void)
{
  int n;
  setvbuf(stdout, NULL, _IONBF, 0);
  /* A buffer in the heap may share its page with objects, and a call that waits for input gets EFAULT then. */
  setvbuf(stdin, NULL, _IONBF, 0);
  while (scanf("%d", &n) == 1) printf("%ld\\n", answer(n));
  return 0;
}
`,
    "server.c": text,
  };
}

/** `QUESTION=ANSWER`, one after the other. */
type Dialogue = string;

interface Case {
  readonly what: string;
  readonly text: string;
  readonly edits: readonly (readonly [from: string, to: string])[];
  readonly before: Dialogue;
  readonly updated: Dialogue;
  /** When it was rolled back. */
  readonly after: Dialogue;
}

const globals = `
struct stats { int hits; int misses; };
static struct stats stats = { 0, 7 };
unsigned short served = 65530;
static int recent[3];
static int last;
struct inner { short a; int b; };
struct outer { char tag; struct inner in; int tail; };
struct outer outer = { 't', { 1, 2 }, 3 };
long answer(int n)
{
  if (n < 0) { stats.hits++; recent[last++ % 3] = -n; outer.in.a++; outer.tail += 10; return stats.hits; }
  if (n == 1) return stats.misses;
  if (n == 2) return ++served;
  if (n == 3) return recent[0] * 10000 + recent[1] * 100 + recent[2];
  if (n == 4) return outer.tag * 10000 + outer.in.a * 1000 + outer.in.b * 100 + outer.tail;
  return stats.hits;
}
`;

const tables = `
struct pair { int key; int value; };
static const struct pair pairs[] = { { 1, 10 }, { 2, 20 } };
static int asked;
long answer(int n)
{
  asked++;
  for (unsigned i = 0; i < sizeof pairs / sizeof *pairs; i++)
    if (pairs[i].key == n) return pairs[i].value;
  return -asked;
}
`;

const statics = `
__attribute__((noinline)) int second(int n) { static unsigned char calls = 10; return n + ++calls; }
__attribute__((noinline)) int first(int n) { static unsigned char calls = 250; return n + ++calls; }
long answer(int n) { return n == 1 ? first(0) : second(0); }
`;

const list = `
#include <stdlib.h>
struct node { int key; struct node *next; int value; };
static struct node *head;
struct user { struct node *favourite; int id; };
static struct user *users[4];
static struct node *find(int key)
{
  for (struct node *n = head; n != NULL; n = n->next) if (n->key == key) return n;
  return NULL;
}
static void add(int key)
{
  struct node *n = calloc(1, sizeof *n);
  n->key = key;
  n->value = key * 10;
  n->next = head;
  head = n;
}
static void drop(int key)
{
  struct node **link = &head;
  while (*link != NULL && (*link)->key != key) link = &(*link)->next;
  struct node *gone = *link;
  if (gone == NULL) return;
  *link = gone->next;
  for (int i = 0; i < 4; i++) if (users[i] != NULL && users[i]->favourite == gone) users[i]->favourite = NULL;
  free(gone);
}
/* 1000 + key adds, 2000 + key drops, 3000 + key asks, 4000 + 10 * user + key sets, 5000 + user asks. */
long answer(int n)
{
  struct node *found;
  int u = n / 10 % 4;
  switch (n / 1000) {
  case 1: add(n % 1000); return 1;
  case 2: drop(n % 1000); return 2;
  case 3: found = find(n % 1000); return found == NULL ? -1 : found->value;
  case 4:
    if (users[u] == NULL) { users[u] = calloc(1, sizeof *users[u]); users[u]->id = u; }
    users[u]->favourite = find(n % 10);
    return users[u]->favourite != NULL;
  case 5: return users[n % 4] == NULL || users[n % 4]->favourite == NULL ? -1 : users[n % 4]->favourite->key * 100 + users[n % 4]->id;
  }
  long sum = 0;
  for (struct node *n = head; n != NULL; n = n->next) sum = sum * 10 + n->key;
  return sum;
}
`;

const cases: readonly Case[] = [
  {
    what: "a global struct gains a field in its middle",
    text: globals,
    edits: [
      [
        "struct stats { int hits; int misses; };",
        "struct stats { int hits; long asked; int misses; };",
      ],
      ["stats = { 0, 7 }", "stats = { 0, 500, 7 }"],
      ["return stats.misses;", "return stats.misses + stats.asked++;"],
    ],
    before: "-1=1 -2=2 1=7",
    updated: "0=2 1=507 1=508 -3=3",
    after: "0=3 1=7 -4=4",
  },
  {
    what: "a counter becomes wider; what the old one cannot hold stays at its limit",
    text: globals,
    edits: [["unsigned short served", "unsigned long served"]],
    before: "2=65531 2=65532",
    updated: "2=65533 2=65534 2=65535 2=65536 2=65537",
    after: "2=0",
  },
  {
    what: "an array that is written grows",
    text: globals,
    edits: [
      ["recent[3]", "recent[5]"],
      ["last++ % 3", "last++ % 5"],
      ["recent[2];", "recent[2] + 1000000L * recent[3] + 100000000L * recent[4];"],
    ],
    before: "-1=1 -2=2 -3=3 3=10203",
    updated: "3=10203 -4=4 -5=5 3=504010203 -6=6",
    after: "3=60203",
  },
  {
    what: "an embedded struct grows",
    text: globals,
    edits: [
      ["struct inner { short a; int b; };", "struct inner { long a; long more; int b; };"],
      ["{ 't', { 1, 2 }, 3 }", "{ 't', { 1, 40, 2 }, 3 }"],
      ["outer.in.b * 100", "(outer.in.b + outer.in.more) * 100"],
    ],
    before: "4=1161203 -1=1",
    updated: "4=1166213 -1=2 4=1167223",
    after: "4=1163223",
  },
  {
    what: "a static variable of a function becomes wider, another of its name does not",
    text: statics,
    edits: [["static unsigned char calls = 250;", "static unsigned calls = 250;"]],
    before: "1=251 2=11 1=252",
    updated: "1=253 1=254 1=255 1=256 2=12 1=257",
    after: "2=13 1=0",
  },
  {
    what: "new globals with initialisers, and a constant table that has more entries",
    text: tables,
    edits: [
      ["{ 2, 20 } }", "{ 2, 20 }, { 3, 30 } }"],
      [
        "static int asked;",
        "static int asked;\nint fresh = 70;\nstatic const int squares[] = { 0, 1, 4, 9 };",
      ],
      ["return -asked;", "return asked * 1000 + fresh++ + squares[3];"],
    ],
    before: "2=20 3=-2",
    updated: "3=30 2=20 9=5079 9=6080",
    after: "3=-7 2=20",
  },
  {
    what: "objects of a list gain a field in their middle, and others point to them",
    text: list,
    edits: [
      ["{ int key; struct node *next;", "{ int key; long asked; struct node *next;"],
      [
        "found == NULL ? -1 : found->value;",
        "found == NULL ? -1 : 100 * ++found->asked + found->value;",
      ],
    ],
    before: "1001=1 1002=1 1003=1 0=321 4012=1 5001=201 3002=20",
    updated:
      "0=321 5001=201 3002=120 3002=220 3001=110 1004=1 1005=1 0=54321 3004=140 2003=2 2005=2 0=421 4024=1 5002=402 2002=2 5001=-1 0=41",
    after: "0=41 5002=402 5001=-1 3004=40 1006=1 0=641 2004=2 5002=-1 2001=2 2006=2 0=0",
  },
];

const hidden = `
#include <stdlib.h>
struct cell { int a; };
static void *store;
long answer(int n)
{
  struct cell *cell = store;
  if (cell == NULL) store = cell = calloc(1, sizeof *cell);
  return cell->a += n;
}
`;

/** A program whose own loop keeps pointers, in a local variable and in what it hands to a callback. */
const keeper: Sources = {
  Makefile: "CFLAGS = -g -O2\nprog: main.o server.o\n\t$(CC) -o $@ $^\n",
  "server.h": `struct item { int id; struct item *next; int uses; };
struct item *item_new(int id);
struct item *item_find(int id);
int item_use(struct item *item);
int item_pick(struct item **result, int id);
int item_id(const struct item *item);
int on_event(int n, void *context);
int item_sum(const struct item *item, int count, ...);
void item_free(struct item *item);
`,
  "server.c": `#include <stdarg.h>
#include <stdlib.h>
#include "server.h"
#define OUT __attribute__((noinline))
static struct item *items;
OUT struct item *item_new(int id)
{
  struct item *item = malloc(sizeof(struct item));
  if (item == NULL) return NULL;
  item->id = id;
  item->uses = 0;
  item->next = items;
  items = item;
  return item;
}
OUT struct item *item_find(int id)
{
  struct item *item = items;
  while (item != NULL && item->id != id) item = item->next;
  return item;
}
OUT int item_use(struct item *item) { return ++item->uses; }
OUT int item_id(const struct item *item) { return item->id; }
OUT int item_pick(struct item **result, int id)
{
  *result = item_find(id);
  return *result == NULL ? -1 : (*result)->uses;
}
OUT int on_event(int n, void *context)
{
  struct item *item = context;
  item->uses += n;
  return item->uses;
}
OUT int item_sum(const struct item *item, int count, ...)
{
  int sum = item->uses;
  va_list list;
  va_start(list, count);
  while (count-- > 0) sum += va_arg(list, int);
  va_end(list);
  return sum;
}
OUT void item_free(struct item *item)
{
  struct item **link = &items;
  while (*link != item) link = &(*link)->next;
  *link = item->next;
  free(item);
}
`,
  "main.c": `#include <stdio.h>
#include <stddef.h>
#include "server.h"
int main(void)
{
  int n;
  struct item *mine = item_new(1), *found, *picked;
  int (*volatile callback)(int, void *) = on_event;
  void *context = mine;
  setvbuf(stdout, NULL, _IONBF, 0);
  /* A buffer in the heap may share its page with objects, and a call that waits for input gets EFAULT then. */
  setvbuf(stdin, NULL, _IONBF, 0);
  item_new(2);
  while (scanf("%d", &n) == 1) {
    int answer = 0;
    if (n == 1) answer = item_use(mine);
    else if (n == 2) answer = callback(10, context);
    else if (n == 3) { found = item_find(2); answer = found == NULL ? -1 : item_use(found) + 100 * item_id(found); }
    else if (n == 4) { answer = item_pick(&picked, 1); if (picked != mine) answer = -2; }
    else if (n == 5) { found = item_new(5); answer = item_id(found); }
    else if (n == 6) { found = item_find(5); answer = item_id(found); item_free(found); }
    else if (n == 7) { found = item_find(1); answer = found == mine; }
    else if (n == 8) answer = item_sum(mine, 2, 30, 4);
    printf("%d\\n", answer);
  }
  return 0;
}
`,
};

function parsed(dialogue: Dialogue): readonly (readonly [question: number, answer: number])[] {
  return dialogue.split(" ").map((one) => {
    const [question, answer] = one.split("=").map(Number);
    return [question ?? NaN, answer ?? NaN];
  });
}

async function speak(program: AnsweringProgram, dialogue: Dialogue, when: string): Promise<void> {
  for (const [at, [question, answer]] of parsed(dialogue).entries()) {
    assert.is(await program.ask(question), answer, `${when}: answer ${at} to ${question}`);
  }
}

function changeOf({ edits }: Pick<Case, "edits">): Change {
  return edits.map(([from, to]) => ["server.c", from, to]);
}

for (const one of cases) {
  test(one.what, async () => {
    const program = new AnsweringProgram(server(one.text));
    program.start();
    try {
      await speak(program, one.before, "before");
      await program.apply(await program.patch(changeOf(one)));
      await speak(program, one.updated, "updated");
      await program.rollBack();
      await speak(program, one.after, "rolled back");
    } finally {
      program.stop();
    }
  });
}

test("a loop that never ends goes on with the old copies that it keeps", async () => {
  const program = new AnsweringProgram(keeper);
  program.start();
  try {
    await speak(program, "1=1 2=11 3=201 4=11 7=1 8=45", "before");
    const patch = await program.construct([
      ["server.h", "struct item { int id;", "struct item { long weight; int id;"],
      [
        "server.c",
        "return ++item->uses;",
        "item->weight += 1000; return ++item->uses + item->weight;",
      ],
    ]);
    const transfer = join(patch, "polus_transfer.c");
    const text = readFileSync(transfer, "utf8");
    assert.match(
      text,
      /MANUAL: struct item, weight: objects that the old version made have no value/,
    );
    writeFileSync(transfer, text.replaceAll(/\/\* MANUAL: .*? \*\//g, ""));
    const script = join(patch, "update.polus");
    writeFileSync(script, readFileSync(script, "utf8").replaceAll(/\/\/ MANUAL.*/g, ""));
    assert.is((await program.place.polus("build", patch)).code, 0);
    await program.apply(patch);
    await speak(program, "1=1012 2=22 3=1202 4=22 7=1 8=56 5=5 6=5 1=2023", "updated");
    await program.rollBack();
    await speak(program, "1=24 2=34 3=203 4=34 7=1 8=68 5=5 6=5", "rolled back");
  } finally {
    program.stop();
  }
});

const pointerTables = `
#include <stdlib.h>
struct item { int id; struct item *next; };
static struct item **table;
static struct item *first, **tail = &first;
long answer(int n)
{
  if (table == NULL) table = calloc(16, sizeof *table);
  struct item *item = calloc(1, sizeof *item);
  item->id = n;
  table[n & 15] = item;
  *tail = item;
  tail = &item->next;
  return table[n & 15]->id;
}
`;

test("an allocated table of pointers is marked, a pointer to the end of a list is carried over", async () => {
  const program = new AnsweringProgram(server(pointerTables));
  program.start();
  try {
    await speak(program, "5=5 6=6", "before");
    const patch = await program.construct([
      ["server.c", "struct item { int id;", "struct item { long uses; int id;"],
      ["server.c", "item->id = n;", "item->id = n; item->uses++;"],
    ]);
    const text = readFileSync(join(patch, "polus_transfer.c"), "utf8");
    assert.match(text, /MANUAL: table: it leads to a table of pointers that is allocated/);
    assert.not.match(text, /MANUAL: tail/);
    assert.is((await program.place.polus("build", patch)).code, 1);
  } finally {
    program.stop();
  }
});

/** Nothing but a local variable of a loop that never ends leads to its objects. */
const local: Sources = {
  Makefile: "CFLAGS = -g -O2\nprog: main.o server.o\n\t$(CC) -o $@ $^\n",
  "server.h": `struct session { int id, asked; long hits; };
struct session *session_new(int id);
long session_hit(struct session *s, int by);
void session_free(struct session *s);
`,
  "server.c": `#include <stdlib.h>
#include <string.h>
#include "server.h"
#define OUT __attribute__((noinline))
OUT struct session *session_new(int id)
{
  struct session *s = malloc(sizeof *s);
  memset(s, 0, sizeof *s);
  s->id = id;
  return s;
}
OUT long session_hit(struct session *s, int by) { s->hits += by; ++s->asked; return s->hits; }
OUT void session_free(struct session *s) { free(s); }
`,
  "main.c": `#include <stdio.h>
#include "server.h"
int main(void)
{
  int n;
  struct session *mine = session_new(1), *other = session_new(2);
  setvbuf(stdout, NULL, _IONBF, 0);
  setvbuf(stdin, NULL, _IONBF, 0);
  while (scanf("%d", &n) == 1) {
    if (n == 0) { session_free(other); other = session_new(3); }
    printf("%ld\\n", n < 0 ? session_hit(other, -n) : session_hit(mine, n));
  }
  return 0;
}
`,
};

test("fields that are added at the end live beside objects that cannot be found", async () => {
  const program = new AnsweringProgram(local);
  program.start();
  try {
    await speak(program, "1=1 2=3 -5=5", "before");
    const patch = await program.patch([
      ["server.h", "long hits; };", "long hits; long most; char name[24]; };"],
      [
        "server.c",
        "s->hits += by;",
        'if (by > s->most) s->most = by; if (s->name[0] == 0) strcpy(s->name, "fresh"); s->hits += by + 1000 * s->most + 100000 * strlen((*s).name);',
      ],
    ]);
    await program.apply(patch);
    await speak(program, "4=504007 1=1008008 -6=506011", "updated");
    await speak(
      program,
      "0=1512008 -1=501001",
      "a new object at an old address begins with nothing",
    );
    await program.rollBack();
    await speak(program, "1=1512009 -1=501002", "rolled back");
  } finally {
    program.stop();
  }
});

interface Left {
  readonly what: string;
  readonly text: string;
  readonly edits: Case["edits"];
  /** What `polus build` says. */
  readonly says: RegExp;
}

const left: readonly Left[] = [
  {
    what: "an object that no variable leads to",
    text: hidden,
    edits: [["struct cell { int a; };", "struct cell { long more; int a; };"]],
    says: /polus_transfer\.c:\d+ is left to a person: .*call `visit\(object, context\)` for every struct cell/,
  },
  {
    what: "a walk over a list in a program with threads",
    text: list.replace(
      "static struct node *head;",
      "#include <pthread.h>\nint start(void *(*f)(void *)) { pthread_t t; return pthread_create(&t, NULL, f, NULL); }\nstatic struct node *head;",
    ),
    edits: [["{ int key; struct node", "{ int key; long more; struct node"]],
    says: /polus_transfer\.c:\d+ is left to a person: .*the program has threads: take the lock/,
  },
  {
    what: "a parameter that is passed by value",
    text: `${globals}
struct point { int x, y; } place = { 3, 4 };
__attribute__((noinline)) int area(struct point p) { return p.x * p.y; }
int twice(void) { return 2 * area(place); }
`,
    edits: [["struct point { int x, y; }", "struct point { long x; int y; }"]],
    says: /server\.c:\d+ is left to a person: .*area: it takes or returns by value/,
  },
  {
    what: "a retyped field",
    text: globals,
    edits: [
      ["struct stats { int hits; int misses; };", "struct stats { int hits; int *misses; };"],
      ["stats = { 0, 7 }", "stats = { 0, 0 }"],
      ["return stats.misses;", "return stats.misses == 0;"],
    ],
    says: /polus_transfer\.c:\d+ is left to a person: .*struct stats, misses: from int to int \* there is no rule/,
  },
  {
    what: "a union",
    text: globals.replace(
      "struct inner { short a; int b; };",
      "struct inner { int b; union { short a; char c[2]; }; };",
    ),
    edits: [["char c[2]", "char c[6]"]],
    says: /polus_transfer\.c:\d+ is left to a person: .*struct inner: which member of the union/,
  },
  {
    what: "a lock in what changes",
    text: globals
      .replace(
        "struct stats { int hits;",
        "#include <pthread.h>\nstruct stats { pthread_mutex_t lock; int hits;",
      )
      .replace("{ 0, 7 }", "{ .hits = 0, .misses = 7 }"),
    edits: [["int hits;", "long hits;"]],
    says: /polus_transfer\.c:\d+ is left to a person: .*struct stats, lock: there cannot be two copies of a mutex/,
  },
];

for (const one of left) {
  test(`${one.what} is left to a person`, async () => {
    const program = new AnsweringProgram(server(one.text));
    const patch = await program.construct(changeOf(one));
    const report = readFileSync(join(patch, "report.md"), "utf8");
    assert.not.match(report, /left to a person\n\nNothing/);
    const { code, stderr } = await program.place.polus("build", patch);
    assert.is(code, 1);
    assert.match(stderr, one.says);
  });
}

test("a check is suggested where the new version looks at a limit", async () => {
  const program = new AnsweringProgram(server(globals));
  program.start();
  try {
    await speak(program, "-1=1 -2=2 -3=3", "before");
    const edit = "if (n < 0) { if (last > 2) return -1; stats.hits++;";
    const patch = await program.patch([["server.c", "if (n < 0) { stats.hits++;", edit]]);
    const path = join(patch, "update.polus");
    const script = readFileSync(path, "utf8");
    assert.match(script, /\/\/ answer has come to compare last/);
    // Taken at its word.
    const lines = script.split("\n");
    const first = lines.findIndex((line) => line.includes("// taint last_range"));
    const taint = lines.slice(first, first + 4).map((line) => line.replace("//", "  "));
    writeFileSync(path, [...lines.slice(0, first), ...taint, ...lines.slice(first + 4)].join("\n"));
    await program.apply(patch);
    await speak(program, "-4=4 -5=-1", "the counter was put back to 2, and went on");
  } finally {
    program.stop();
  }
});

test.run();

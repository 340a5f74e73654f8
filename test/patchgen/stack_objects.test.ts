// timeout 600s
/**
 * Records of another layout on the stack of a function that is in the middle of its work when the update is
 * applied: what it calls afterwards gets the new layout, and gives back the old one.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { AnsweringProgram, type Sources } from "./answering_program.js";

/** `serve` is entered once and never left. */
function server(text: string): Sources {
  return {
    Makefile: "CFLAGS = -g -O2\nprog: main.o server.o\n\t$(CC) -o $@ $^\n",
    "main.c": `#include <stdio.h>
void serve(void);
int main(void)
{
  setvbuf(stdout, NULL, _IONBF, 0);
  setvbuf(stdin, NULL, _IONBF, 0);
  serve();
  return 0;
}
`,
    "server.c": `#include <stdio.h>\n#include <stdlib.h>\n#define own __attribute__((noinline))\n${text}`,
  };
}

/** Numbers below 100 are counted on the stack, others in \`total\`; negative ones ask for what is there. */
const counting = `
struct count { short seen; short last; };
struct count total;
own int record(struct count *c, int n) { c->seen++; c->last = n; return c->seen * 1000 + c->last; }
own int through(struct count *c, int n) { return record(c, n) * 2; }
own int untyped(void *data) { struct count *c = data; return c->seen * 1000 + c->last; }
own struct count *same(struct count *c) { c->seen += 10; return c; }
own int both(struct count *to, struct count *from) { to->last = from->last + 1; return to->last; }
void serve(void)
{
  struct count c = { 0, 0 };
  int n;
  while (scanf("%d", &n) == 1) {
    int answer;
    if (n == -1) answer = c.seen * 1000 + c.last;
    else if (n == -2) answer = untyped(&c);
    else if (n == -3) answer = same(&c) == &c ? c.seen : -1;
    else if (n == -4) answer = both(&c, &c);
    else if (n == -5) answer = total.seen * 1000 + total.last;
    else if (n >= 100) answer = record(&total, n);
    else if (n >= 50) answer = through(&c, n);
    else answer = record(&c, n);
    printf("%d\\n", answer);
  }
}
`;

const otherLayout = [
  "server.c",
  "struct count { short seen; short last; };",
  "struct count { int last; long seen; };",
] as const;
const otherAnswer = [
  "server.c",
  "return c->seen * 1000 + c->last; }\nown int through",
  "return c->seen * 1000 + c->last + 100000; }\nown int through",
] as const;

async function dialogue(program: AnsweringProgram, text: string): Promise<void> {
  for (const turn of text.split(" ")) {
    const [question = "", wanted] = turn.split("=");
    const answer = await program.ask(Number(question));
    assert.is(String(answer), wanted, `${turn} of ${text}`);
  }
}

/** Answers before the update, with it, when it was rolled back, and when it is applied again. */
async function live(text: string, turns: readonly [string, string, string, string]): Promise<void> {
  const program = new AnsweringProgram(server(text));
  const [before, updated, back, again] = turns;
  program.start();
  try {
    await dialogue(program, before);
    const patch = await program.patch([otherLayout, otherAnswer]);
    await program.apply(patch);
    await dialogue(program, updated);
    await program.rollBack();
    await dialogue(program, back);
    await program.apply(patch);
    await dialogue(program, again);
  } finally {
    program.stop();
  }
}

const stackBefore = "5=1005 60=4120 -1=2060";
const stackUpdated = "7=103007 -1=3007 60=208120 -1=4060 -2=4060 -3=14 -1=14060 -4=61 -1=14061";
const stackBack = "8=15008 60=32120 -1=16060";
const stackAgain = "9=117009 -1=17009";

test("a record on the stack of a function that never returns, and a global", () =>
  live(counting, [
    `${stackBefore} 110=1110`,
    `${stackUpdated} 120=102120 -5=2120`,
    `${stackBack} 121=3121 -5=3121`,
    `${stackAgain} 122=104122 -5=4122`,
  ]));

test("a record on the stack alone", () =>
  live(
    counting
      .replace("struct count total;", "")
      .replace("answer = total.seen * 1000 + total.last;", "answer = 0;")
      .replace("record(&total, n)", "0"),
    [stackBefore, stackUpdated, stackBack, stackAgain],
  ));

/** What nobody can translate is left to a person: the old text, and what the mark says. */
const marked: readonly (readonly [what: string, body: string, says: string])[] = [
  [
    "an array on the stack",
    "own int sum(struct count *c, int n) { int s = 0; for (int i = 0; i < n; i++) s += c[i].seen; return s; }\n" +
      'void serve(void) { struct count c[3] = { { 1, 2 } }; int n; while (scanf("%d", &n) == 1) printf("%d\\n", sum(c, 3)); }',
    "sum: it may be given several struct count in a row",
  ],
  [
    "an address that is kept",
    "void *kept;\nown int keep(struct count *c) { kept = c; return c->seen; }\n" +
      'void serve(void) { struct count c = { 1, 2 }; int n; while (scanf("%d", &n) == 1) printf("%d\\n", keep(&c)); }',
    "keep: it keeps the address of a struct count",
  ],
  [
    "a function in between that does not know the type",
    "own int compare(const void *a, const void *b) { const struct count *x = a; const struct count *y = b; return x->last - y->last; }\n" +
      'void serve(void) { struct count c[3] = { { 1, 2 } }; int n; while (scanf("%d", &n) == 1) { qsort(c, 3, sizeof *c, compare); printf("%d\\n", c[0].seen); } }',
    "serve: it gives the address of a struct count on a stack or in read-only data to qsort",
  ],
  [
    "a record by value",
    "own int value(struct count c) { return c.seen * 10 + c.last; }\n" +
      'void serve(void) { struct count c = { 1, 2 }; int n; while (scanf("%d", &n) == 1) printf("%d\\n", value(c)); }',
    "value: it takes or returns by value what old code lays out otherwise",
  ],
  [
    "memory of the stack without a declaration",
    "void *kept;\nown int keep(struct count *c) { kept = c; return c->seen; }\n" +
      'void serve(void) { int n; while (scanf("%d", &n) == 1) { struct count *c = __builtin_alloca(sizeof *c); c->seen = n; printf("%d\\n", keep(c)); } }',
    "keep: it keeps the address of a struct count",
  ],
  [
    "a variable that leads to a read-only table",
    "static const struct count table[] = { { 1, 2 }, { 3, 4 } };\nconst struct count *current = table;\n" +
      'void serve(void) { int n; while (scanf("%d", &n) == 1) { current = &table[n & 1]; printf("%d\\n", current->last); } }',
    "current: it may lead to a read-only struct count",
  ],
  [
    "a pointer to another one on the stack",
    "struct chain { struct count *of; int n; };\nown int chained(struct chain *c) { return c->of->seen + c->n; }\n" +
      'void serve(void) { struct count c = { 1, 2 }; int n; while (scanf("%d", &n) == 1) { struct chain s = { &c, n }; printf("%d\\n", chained(&s)); } }',
    "serve: it keeps the address of a struct count",
  ],
];

for (const [what, body, says] of marked) {
  test(`${what} is left to a person`, async () => {
    const program = new AnsweringProgram(
      server(`struct count { short seen; short last; };\n${body}\n`),
    );
    const folder = await program.construct([otherLayout]);
    const report = readFileSync(join(folder, "report.md"), "utf8");
    assert.ok(report.includes(says), report);
  });
}

test.run();

// timeout 600s
/** State transfer that is generated: values survive the update of a running program and its rollback. */
import { readFileSync } from "node:fs";
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
];

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

interface Left {
  readonly what: string;
  readonly text: string;
  readonly edits: Case["edits"];
  /** What `polus build` says. */
  readonly says: RegExp;
}

const left: readonly Left[] = [
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
    const { code, stderr } = await program.place.polus("build", patch);
    assert.is(code, 1);
    assert.match(stderr, one.says);
    assert.match(
      readFileSync(join(patch, "report.md"), "utf8"),
      one.says.source.includes("union") ? /union/ : /struct stats/,
    );
  });
}

test.run();

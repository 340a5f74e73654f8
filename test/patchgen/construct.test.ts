// timeout 600s
/** Patches that are constructed, built, applied to the running program, and rolled back. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { LivePlace } from "../interpreter/live_run.js";
import { AnsweringProgram, type Change } from "./answering_program.js";

interface Pair {
  readonly what: string;
  readonly change: Change;
  readonly question: number;
  /** Before, with the update, and after it was rolled back. */
  readonly answers: readonly [number, number, number];
}

const pairs: readonly Pair[] = [
  {
    what: "a static function goes on with its static variable",
    change: [["table.c", "return a + count;", "return a + 100 * count;"]],
    question: 50,
    answers: [51, 250, 53],
  },
  {
    what: "a function that is inlined everywhere",
    change: [["table.c", "return a + 1; }", "return a + 11; }"]],
    question: 8,
    answers: [9, 19, 9],
  },
  {
    what: "a macro that an inline function of a header uses",
    change: [["table.h", "FACTOR 2", "FACTOR 3"]],
    question: 7,
    answers: [19, 26, 19],
  },
  {
    what: "an enumeration's value",
    change: [["table.h", "HIGH = 5", "HIGH = 6"]],
    question: 7,
    answers: [19, 20, 19],
  },
  {
    what: "a constant table",
    change: [["table.c", "{ 10, 20, 30 }", "{ 10, 21, 30 }"]],
    question: -1,
    answers: [20, 21, 20],
  },
  {
    what: "an old style function, called where the old one was",
    change: [["table.c", "return a * b;", "return a * b + calls;"]],
    question: 9,
    answers: [27, 27, 27],
  },
  {
    what: "a function whose address the program keeps",
    change: [["table.c", "return a + 2000;", "return a + 2000 + total;"]],
    question: 2,
    answers: [2002, 2104, 2002],
  },
  {
    what: "a new function with its own variables, static and global",
    change: [
      [
        "table.c",
        "/* Counts. */",
        "int fresh = 5;\nstatic int more(int a) { static int m = 7; return a + m++ + fresh++; }\n/* Counts. */",
      ],
      ["table.c", "return small(n);", "return more(n);"],
    ],
    question: 8,
    answers: [9, 20, 9],
  },
  {
    what: "a table that grows in front, and that nothing writes",
    change: [["table.c", "{ 70, 80 }", "{ 60, 70, 80 }"]],
    question: 12,
    answers: [70, 60, 70],
  },
  {
    what: "other parameters",
    change: [
      ["table.c", "int counted(int a)\n", "int counted(int a, long b)\n"],
      ["table.c", "return a + count;", "return a + count + b;"],
      ["table.c", "return counted(n);", "return counted(n, 500);"],
    ],
    question: 50,
    answers: [51, 552, 53],
  },
];

for (const { what, change, question, answers } of pairs) {
  test(what, async () => {
    const program = new AnsweringProgram();
    program.start();
    try {
      assert.is(await program.ask(question), answers[0], "before");
      const patch = await program.patch(change);
      await program.apply(patch);
      assert.is(await program.ask(question), answers[1], "updated");
      await program.rollBack();
      assert.is(await program.ask(question), answers[2], "rolled back");
    } finally {
      program.stop();
    }
  });
}

test("four versions on top of each other, taken back one by one", async () => {
  const program = new AnsweringProgram();
  program.start();
  try {
    assert.is(await program.ask(50), 51);
    // A new static function with a variable of its own, and a new global.
    await program.apply(
      await program.patch([
        [
          "table.c",
          "/* Counts. */",
          "int fresh = 5;\nstatic __attribute__((noinline)) int more(int a) { static int m = 7; m++; fresh += 10; return a + m; }\n/* Counts. */",
        ],
        ["table.c", "return small(n);", "return more(n) + fresh;"],
      ]),
    );
    assert.is(await program.ask(8), 31, "8 + 8 + 15");
    // Another function calls it: both mean the second version's variables.
    await program.apply(
      await program.patch([
        ["table.c", "return a + count;", "return a + count + 1000 * more(fresh);"],
      ]),
    );
    assert.is(await program.ask(50), 50 + 2 + 1000 * (15 + 9));
    assert.is(await program.ask(8), 8 + 10 + 35);
    // The second version's own function changes: it has no entry, so its callers are replaced.
    await program.apply(await program.patch([["table.c", "return a + m;", "return a - m;"]]));
    assert.is(await program.ask(8), 8 - 11 + 45);
    assert.is(await program.ask(50), 50 + 3 + 1000 * (45 - 12));
    await program.rollBack();
    assert.is(await program.ask(8), 8 + 13 + 65);
    await program.rollBack();
    assert.is(await program.ask(50), 50 + 4);
    assert.is(await program.ask(8), 8 + 14 + 75);
    await program.rollBack();
    assert.is(await program.ask(8), 9);
  } finally {
    program.stop();
  }
});

test("what an earlier patch defines is reached through the functions of other files", async () => {
  const program = new AnsweringProgram();
  program.start();
  try {
    await program.apply(
      await program.patch([
        ["main.c", "int main(void)", "int extra(int a) { return a + 2; }\nint main(void)"],
        ["table.h", "int lookup(int);", "int lookup(int);\nint extra(int);"],
        ["table.c", "return small(n);", "return extra(n);"],
      ]),
    );
    assert.is(await program.ask(8), 10);
    // Nothing of table.c differs.
    await program.apply(await program.patch([["main.c", "return a + 2;", "return a + 70;"]]));
    assert.is(await program.ask(8), 78);
    await program.rollBack();
    assert.is(await program.ask(8), 10);
  } finally {
    program.stop();
  }
});

test("nothing is constructed of versions that differ in comments and names", async () => {
  const program = new AnsweringProgram();
  const change: Change = [
    ["table.c", "/* Counts. */", "/* It counts, on\n another line. */\n\n"],
    ["table.c", "{\n  return a * b;", "{\n\n  return (a) * (b);"],
  ];
  try {
    await program.patch(change);
    assert.unreachable();
  } catch (error) {
    assert.match(String(error), /nothing-differs|do not differ/);
  }
});

test("objects of another layout are carried over, with pointers into them", async () => {
  const program = new AnsweringProgram();
  const change: Change = [
    ["table.h", "struct entry { int key;", "struct entry { long uses; int key;"],
    ["table.c", "{ 1, first }, { 2, second }", "{ 0, 1, first }, { 0, 2, second }"],
    [
      "table.c",
      "if (last->key == n) return last->act(n);",
      "if (last->key == n) return 10000 * ++last->uses + last->act(n);",
    ],
    ["table.c", "if (n == 10) return total;", "if (n == 12) return last - entries;"],
  ];
  program.start();
  try {
    assert.is(await program.ask(2), 2002);
    const patch = await program.patch(change);
    await program.apply(patch);
    assert.is(await program.ask(12), 1, "the pointer leads to the second entry of the new array");
    assert.is(await program.ask(2), 12002);
    assert.is(await program.ask(2), 22002);
    assert.is(await program.ask(50), 51, "the pointer stands behind the last entry now");
    assert.is(await program.ask(12), 2);
    await program.rollBack();
    assert.is(await program.ask(1), 1001);
  } finally {
    program.stop();
  }
});

test("a request to stop ends the construction, and is no fault", async () => {
  const place = new LivePlace();
  const begun = join(place.folder, "begun");
  const tree = join(place.folder, "tree");
  mkdirSync(tree);
  const build = `touch '${begun}'; exec sleep 60`;
  const words = ["patchgen", "--old", tree, "--new", tree, "--build", build];
  const { child, finished } = place.start([...words, "--out", join(place.folder, "out")]);
  while (!existsSync(begun)) await setTimeout(20);
  child.kill("SIGTERM");
  const { code, stderr } = await finished;
  assert.is(code, 3);
  assert.match(stderr, /stopped by SIGTERM before any process was touched/);
  assert.not.match(stderr, /internal error/);
});

test("a mark that is left to a person is not built", async () => {
  const program = new AnsweringProgram();
  const patch = await program.patch([["table.c", "return a * b;", "return a - b;"]]);
  const file = join(patch, "table.c");
  writeFileSync(file, `${readFileSync(file, "utf8")}\n/* MANUAL: which? */\n`);
  const { code, stderr } = await program.place.polus("build", patch);
  assert.is(code, 1);
  assert.match(stderr, /table\.c:\d+ is left to a person/);
});

test.run();

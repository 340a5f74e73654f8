import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";

const projectRoot = resolve(import.meta.dirname, "../../..");

const source = `#include <stdio.h>
#define LIMIT 3

/* prototype */
static int twice(int);
int
sum(int a,
    int b);

static int
twice(int a)
{
\tif (a > 1) {
\t\treturn 2 * a;
\t}
\treturn sum(a, a);
}

int
sum(int a,
    int b)
{
\treturn a + b;
}
static const char *word(int which) {
  return which ? "sum(1)" : "twice(2)";
}
typedef struct pair {
  int left, right;
} pair;
`;

/** What the command prints for the source above. */
function take(...words: string[]): { status: number | null; stdout: string; stderr: string } {
  const folder = mkdtempSync(join(tmpdir(), "polus-take-"));
  try {
    const file = join(folder, "a.c");
    writeFileSync(file, source);
    const run = spawnSync(join(projectRoot, "scripts/take-definition"), [file, ...words], {
      encoding: "utf8",
    });
    return { ...run, stdout: run.stdout.replaceAll(file, "a.c") };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const lines = (from: number, to: number): string =>
  `${source
    .split("\n")
    .slice(from - 1, to)
    .join("\n")}\n`;

test("a definition, not its prototype, with the line of its type", () => {
  assert.is(take("twice").stdout, `#line 10 "a.c"\n${lines(10, 17)}`);
});

test("a heading over several lines, and one that has everything in a line", () => {
  assert.is(take("sum").stdout, `#line 19 "a.c"\n${lines(19, 24)}`);
  assert.is(take("word").stdout, `#line 25 "a.c"\n${lines(25, 27)}`);
});

test("a struct", () => {
  assert.is(take("pair").stdout, `#line 28 "a.c"\n${lines(28, 30)}`);
});

test("what functions have in common", () => {
  assert.is(take("--until", "/* prototype */").stdout, lines(1, 3));
});

test("what is not there is an error", () => {
  const missing = take("thrice");
  assert.equal([missing.status, missing.stdout], [1, ""]);
  assert.match(missing.stderr, /a\.c defines no thrice/);
  const endless = take("--until", "/* nothing */");
  assert.is(endless.status, 1);
});

test.run();

/** What of a running binary is redirected, and what is told to be out of reach. */
import { spawnSync } from "node:child_process";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Detection, RedirectPlan } from "../../patchgen/model.js";
import { Compilations } from "../../patchgen/detect/compilations.js";
import { planRedirections } from "../../patchgen/redirect/redirect.js";
import { openProgram, RunningBinary } from "../../patchgen/redirect/running_binary.js";
import { contextPairs } from "./pairs/contexts.js";
import { mainText, newText } from "./pairs/pair.js";
import { buildProgram, compareTrees, refusal, treeWith } from "./source_trees.js";

const noinline = "__attribute__((noinline))";

function redirect(detection: Detection, program: string): Promise<RedirectPlan> {
  return Compilations.within(new AbortController().signal, async (compilations) => {
    const binary = new RunningBinary(program, openProgram(program));
    return planRedirections({ detection, binary, compilations });
  });
}

async function plan(
  text: string,
  edit: readonly [string, string],
  binaryText = text,
): Promise<RedirectPlan> {
  const changed = text.replace(edit[0], edit[1]);
  assert.is.not(changed, text);
  const old = treeWith({ "main.c": mainText, "unit.c": text });
  const detection = await compareTrees(old, treeWith({ "main.c": mainText, "unit.c": changed }));
  const binary = buildProgram(treeWith({ "main.c": mainText, "unit.c": binaryText }));
  return redirect(detection, binary);
}

function told(made: RedirectPlan): readonly string[] {
  return made.redirections.map(({ symbol, reasons }) =>
    [symbol, ...reasons.map(({ kind, of }) => (of === undefined ? kind : `${kind} ${of}`))].join(
      ", ",
    ),
  );
}

async function planOf(name: string): Promise<readonly string[]> {
  const pair = contextPairs.find((one) => one.name === name);
  if (pair === undefined) throw new Error(`no pair "${name}"`);
  const old = treeWith({ "main.c": mainText, "unit.c": pair.text });
  const now = treeWith({ "main.c": mainText, "unit.c": newText(pair) });
  const detection = await compareTrees(old, now);
  const made = await redirect(detection, buildProgram(old));
  assert.equal(made.unreached, []);
  return told(made);
}

test("a function that is inlined everywhere is reached through its hosts", async () => {
  assert.equal(await planOf("inlined function"), [
    "step, relies-on-callee user",
    "user, binary, hosts-inline tiny",
  ]);
});

test("callers of a changed function's clone are redirected, the clone is not", async () => {
  assert.equal(await planOf("function of which only a clone exists"), [
    "left, calls-clone scaled",
    "step, relies-on-callee left",
  ]);
  assert.equal(await planOf("constant that a clone was made for"), [
    "left, body, calls-clone scaled",
    "step, relies-on-callee left",
  ]);
});

test("an alias and what it stands for are redirected once", async () => {
  assert.equal(await planOf("function behind an alias"), ["aliased, body"]);
});

const keeping = `
static ${noinline} int leaf(int n) { return n * 3; }
${noinline} int keeper(int a, int b, int c) { int r = leaf(a); return r + a * b - c; }
int step(int n) { return keeper(n, n + 1, n + 2); }
`;

test("a caller that keeps values in registers which the callee left alone is redirected", async () => {
  const made = await plan(keeping, ["n * 3", "n * 5"]);
  assert.equal(told(made), ["keeper, relies-on-callee leaf", "leaf, body"]);
});

const endless = `
#include <stdlib.h>
static int part(int n) { return n * 3; }
int counter;
${noinline} void serve(int n) { for (;;) { counter += part(n); if (counter > 1000) exit(counter); } }
int step(int n) { if (n == 77) serve(n); return n; }
`;

test("what is inlined in a function that never returns is told by name", async () => {
  const made = await plan(endless, ["n * 3", "n * 4"]);
  assert.equal(told(made), ["serve, binary, hosts-inline part"]);
  assert.equal(
    made.unreached.map(({ name, why, host }) => ({ name, why, host })),
    [{ name: "part", why: "endless-host", host: "serve" }],
  );
  assert.match(made.unreached[0]?.help ?? "", /serve was entered before the update/);
});

test("a binary of other sources is refused by the names that differ", async () => {
  const other = keeping
    .replace("r + a * b - c", "r + a * b - c + counter++ % 7")
    .replace("\nstatic", "\nint counter;\nstatic");
  const error = await refusal(plan(keeping, ["n * 3", "n * 5"], other));
  assert.is(error.code, "NOT_THE_BINARY");
  assert.match(error.message, /keeper \(unit\.c\) has \d+ bytes there, \d+ by the sources/);
});

test("a binary without debug information or symbols is refused", async () => {
  const old = treeWith({ "main.c": mainText, "unit.c": keeping });
  const now = treeWith({ "main.c": mainText, "unit.c": keeping.replace("n * 3", "n * 5") });
  const detection = await compareTrees(old, now);
  const without = buildProgram(old, ["-O2"]);
  const plain = await refusal(redirect(detection, without));
  assert.is(plain.code, "NO_DEBUG_INFORMATION");
  assert.match(plain.message, /has no debug information$/);
  assert.is(spawnSync("strip", [without]).status, 0);
  const stripped = await refusal(redirect(detection, without));
  assert.is(stripped.code, "NO_DEBUG_INFORMATION");
  assert.match(stripped.message, /has no symbol table$/);
});

test.run();

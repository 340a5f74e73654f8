/** Declarations for C that is typed in: a compiler takes them, and lays everything out as the program has it. */
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { compilePatch } from "../../interpreter/patches/compile.js";
import { targetHeader } from "../../interpreter/patches/target_header.js";
import { sizeOf } from "../../interpreter/values/c_types.js";
import type { ProgramNames } from "../../native/engine.js";
import { createEngine } from "../../native/native_engine.js";
import { repositoryRoot, targetSource } from "../support/repository.js";
import { build, runTool } from "../support/toolchain.js";

async function errorsOf(text: string, header: string): Promise<readonly string[]> {
  const result = await compilePatch({
    text,
    header,
    path: "/typed.c",
    line: 1,
    indent: 0,
    folder: repositoryRoot,
    compiler: "gcc",
    deadlineMs: 60_000,
    cancel: new AbortController().signal,
  });
  return result.messages.filter(({ severity }) => severity === "error").map((one) => one.message);
}

function zoo(): string {
  return build({
    name: "zoo",
    sources: [targetSource("types/zoo.c")],
    flags: ["-std=gnu11", "-D_GNU_SOURCE", "-O1", "-g", "-pthread"],
  });
}

function globalsOf(program: string): readonly string[] {
  const symbols = runTool("nm", [program]).split("\n");
  return symbols.flatMap((line) => {
    const [, name] = / [BDR] (\w+)$/.exec(line) ?? [];
    return name === undefined || name.startsWith("_") ? [] : [name];
  });
}

async function namesOf(program: string): Promise<ProgramNames> {
  return createEngine().examine(program);
}

test("every variable of a program with types of all kinds: same sizes, same places of members", async () => {
  const program = zoo();
  const names = await namesOf(program);
  const checks: string[] = [];
  for (const name of globalsOf(program)) {
    const entity = names.entity({ name });
    if (entity.kind !== "variable" || entity.type === null) continue;
    const size = sizeOf(entity.type);
    if (size === null) continue;
    checks.push(`_Static_assert(sizeof(${name}) == ${size}, "${name}");`);
    const { type } = entity;
    if (type.kind !== "struct") continue;
    for (const member of type.members) {
      if (member.name === null || member.bits !== null) continue;
      checks.push(
        `_Static_assert(__builtin_offsetof(__typeof__(${name}), ${member.name}) == ${member.offset}, "${name}.${member.name}");`,
      );
    }
  }
  assert.ok(checks.length > 60, `${checks.length}`);
  const text = checks.join("\n");
  assert.equal(await errorsOf(text, targetHeader(text, names, program)), []);
});

test("what the text declares by itself is left to it; comments and texts are no words", async () => {
  const program = join(repositoryRoot, "examples", "sessions", "build", "sessiond");
  runTool("make", ["-s", "-C", join(repositoryRoot, "examples", "sessions")]);
  const names = await namesOf(program);
  const header = (text: string): string => targetHeader(text, names, program);
  assert.is(header('int f(void) { return 0; } // struct session\nconst char *s = "counters";'), "");
  assert.match(header("int f(struct session *s) { return s->id; }"), "unsigned int hits;");
  const own = "struct session { int mine; }; int f(struct session *s) { return s->mine; }";
  assert.is(header(own), "");
  const replaced = "struct session *session_find(unsigned id) { return table[id]; }";
  assert.equal(await errorsOf(replaced, header(replaced)), []);
  const external = "extern struct counters counters; int f(void) { return counters.hits; }";
  assert.equal(await errorsOf(external, header(external)), []);
  const wrong = "int f(struct session *s) { return s->none; }";
  assert.equal(await errorsOf(wrong, header(wrong)), [
    "‘struct session’ has no member named ‘none’",
  ]);
});

test.run();

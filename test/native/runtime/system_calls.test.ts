/**
 * What the runtime asks of the kernel is what targets' seccomp filters are asked about: a call that a filter answers
 * by killing would kill the program.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { repositoryRoot } from "../../support/repository.js";

const folder = join(repositoryRoot, "native", "runtime");
/** Ends a program that its own fault ends anyway. */
const atTheEnd = ["tgkill"];
/** Makes calls of the program's own again. */
const onceMore = "blocked.c";

test("the runtime makes no other system call than those that are asked for", () => {
  const used = readdirSync(folder)
    .filter((name) => name !== onceMore)
    .flatMap((name) => [
      ...readFileSync(join(folder, name), "utf8").matchAll(/\bSYS_([a-z0-9_]+)/g),
    ])
    .map(([, name]) => name ?? "");
  const source = readFileSync(join(repositoryRoot, "native", "data", "runtime_calls.ts"), "utf8");
  const asked = [...source.matchAll(/^ {2}\d+, \/\/ ([a-z0-9_]+)$/gm)].map(
    ([, name]) => name ?? "",
  );
  const sorted = (names: readonly string[]): string[] => [...new Set(names)].sort();
  assert.equal(sorted(used), sorted([...asked, ...atTheEnd]));
});

test.run();

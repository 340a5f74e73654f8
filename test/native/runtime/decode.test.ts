/** The runtime's decoder against Zydis: on real programs, on random bytes, at the end of what may be read. */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { repositoryRoot, targetSource } from "../../support/repository.js";
import { build } from "../../support/toolchain.js";

const runtime = join(repositoryRoot, "native", "runtime");

const check = build({
  name: "decode_check",
  sources: [
    targetSource("runtime/decode_check.c"),
    ...["decode.c", "effect.c", "effect_vector.c"].map((file) => join(runtime, file)),
  ],
  flags: ["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", `-I${runtime}`, "-lZydis"],
});

interface Comparison {
  readonly compared: number;
  readonly stored: number;
  readonly cut: number;
  readonly differences: number;
  /** How many have each `store_form`. */
  readonly forms: readonly number[];
  readonly legacy: number;
  readonly vex: number;
  readonly evex: number;
  /** Stores that are left to the slow way, by mnemonic. */
  readonly slow: Readonly<Record<string, number>>;
}

function compare(args: readonly string[]): Comparison {
  const result = spawnSync(check, args, { encoding: "utf8", timeout: 60_000 });
  if (result.error) throw result.error;
  assert.is(result.stderr, "");
  assert.is(result.status, 0);
  return JSON.parse(result.stdout) as Comparison;
}

/** Whole machine states, descriptor tables, shadow stacks, virtual machines, ports, addresses in vectors. */
const leftToTheSlowWay =
  /^(f(nsave|nstenv|xsave(64)?)|xsave(c|opt|s)?(64)?|ins[bwd]|s[gil]dt|smsw|str|vm(read|ptrst)|bndmov|clrssbsy|rstorssp|wru?ss[dq]|v?maskmov(q|dqu)|movdir64b|v?p?scatter[dq](ps|pd|[dq])|tilestored|sttilecfg|clzero|montmul|xstore|xsha(1|256)|xcrypt_\w+)$/;

test("real programs: the same stores, lengths, operands and copies", () => {
  const programs = [
    "/usr/lib/x86_64-linux-gnu/libc.so.6",
    "/bin/bash",
    "/usr/lib/x86_64-linux-gnu/libcrypto.so.3",
    "/usr/bin/ssh",
    process.execPath,
  ].filter((path) => existsSync(path));
  assert.ok(programs.length >= 3, programs.join(" "));
  const found = compare(programs);
  assert.is(found.differences, 0);
  assert.ok(found.compared > 1_000_000 && found.cut > found.stored);
  assert.ok(found.legacy > 100_000 && found.vex > 1_000 && found.evex > 100, JSON.stringify(found));
  for (const mnemonic of Object.keys(found.slow)) assert.match(mnemonic, leftToTheSlowWay);
});

test("random bytes: the same, and nothing is read beyond what is there", () => {
  const found = compare(["random", "6000000", "1"]);
  assert.is(found.differences, 0);
  assert.ok(
    found.forms.every((count) => count > 100),
    found.forms.join(" "),
  );
  assert.ok(found.vex > 10_000 && found.evex > 5_000, JSON.stringify(found));
  for (const mnemonic of Object.keys(found.slow)) assert.match(mnemonic, leftToTheSlowWay);
});

test.run();

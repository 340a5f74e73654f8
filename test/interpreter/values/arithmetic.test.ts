// timeout 180s
/** Random C expressions over a program's variables: evaluated by us in the running program, and by the program itself. */
import fc from "fast-check";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { runTool, scratchFolder } from "../../support/toolchain.js";
import { LivePlace } from "../live_run.js";

const variables: Readonly<Record<string, string>> = {
  c: "char c = -7",
  sc: "signed char sc = -128",
  uc: "unsigned char uc = 200",
  s: "short s = -32768",
  us: "unsigned short us = 65535",
  i: "int i = -123456789",
  ui: "unsigned ui = 4000000000u",
  l: "long l = -1234567890123456789",
  ul: "unsigned long ul = 18000000000000000000u",
  ll: "long long ll = 77",
  ull: "unsigned long long ull = 1ull << 63",
  yes: "_Bool yes = 1",
  f: "float f = 1.5f",
  d: "double d = -2.25",
};
const integers = Object.keys(variables).filter((name) => name !== "f" && name !== "d");
const casts = [
  "char",
  "unsigned char",
  "short",
  "unsigned short",
  "int",
  "unsigned int",
  "long",
  "unsigned long",
];

interface Made {
  readonly text: string;
  readonly floating: boolean;
}

/** Nothing whose result C leaves open: divisors and shifts are small constants, floats become no integers. */
const expression = fc.letrec<{ any: Made }>((tie) => {
  const leaf = fc.oneof(
    fc
      .constantFrom(...Object.keys(variables))
      .map((name) => ({ text: name, floating: !integers.includes(name) })),
    fc
      .constantFrom(
        "0",
        "1",
        "-1",
        "'a'",
        "0x7fffffff",
        "2147483648",
        "5u",
        "7l",
        "9ul",
        "0xffffffff",
      )
      .map((text) => ({
        text: `(${text})`,
        floating: false,
      })),
  );
  const either = (
    a: Made,
    b: Made,
    operator: string,
    floating = a.floating || b.floating,
  ): Made => ({
    text: `(${a.text} ${operator} ${b.text})`,
    floating,
  });
  const whole = (a: Made): Made => (a.floating ? { text: `(${a.text} > 0)`, floating: false } : a);
  const node = fc.oneof(
    fc
      .tuple(tie("any"), tie("any"), fc.constantFrom("+", "-", "*"))
      .map(([a, b, o]) => either(a, b, o)),
    fc
      .tuple(tie("any"), tie("any"), fc.constantFrom("<", "<=", ">", ">=", "==", "!=", "&&", "||"))
      .map(([a, b, o]) => either(a, b, o, false)),
    fc
      .tuple(tie("any"), tie("any"), fc.constantFrom("&", "|", "^"))
      .map(([a, b, o]) => either(whole(a), whole(b), o)),
    fc
      .tuple(tie("any"), fc.constantFrom("/", "%", "<<", ">>"), fc.integer({ min: 1, max: 30 }))
      .map(([a, o, n]) => ({ text: `(${whole(a).text} ${o} ${n})`, floating: false })),
    fc
      .tuple(tie("any"), fc.constantFrom("-", "+", "!"))
      .map(([a, o]) => ({ text: `(${o}${a.text})`, floating: o !== "!" && a.floating })),
    tie("any").map((a) => ({ text: `(~${whole(a).text})`, floating: false })),
    fc.tuple(tie("any"), fc.constantFrom(...casts)).map(([a, type]) => ({
      text: `((${type})${whole(a).text})`,
      floating: false,
    })),
    tie("any").map((a) => ({ text: `((double)${a.text})`, floating: true })),
    fc.tuple(tie("any"), tie("any"), tie("any")).map(([a, b, c]) => ({
      text: `(${a.text} ? ${b.text} : ${c.text})`,
      floating: b.floating || c.floating,
    })),
  );
  return { any: fc.oneof({ maxDepth: 4, withCrossShrink: true }, leaf, node) };
}).any;

function program(expressions: readonly string[]): string {
  const types = [...casts, "_Bool", "long long", "unsigned long long", "float", "double"];
  const named = types.map((type) => `${type}: "${type}"`).join(", ");
  const shows = expressions.map((one) => `  SHOW(${one});`).join("\n");
  return `
#include <stdio.h>
#include <unistd.h>
${Object.values(variables)
  .map((one) => `${one};`)
  .join("\n")}
#define TYPE(x) _Generic((x), signed char: "signed char", ${named})
#define SHOW(x) do { __typeof__(x) it = (x); \\
  if (TYPE(it)[0] == 'f' || TYPE(it)[0] == 'd') printf("%s %.17g\\n", TYPE(x), (double)it); \\
  else if ((__typeof__(it))-1 < 1) printf("%s %lld\\n", TYPE(x), (long long)it); \\
  else printf("%s %llu\\n", TYPE(x), (unsigned long long)it); } while (0)
int main(void) {
${shows}
  puts("READY");
  fflush(stdout);
  char byte;
  return read(0, &byte, 1) < 0;
}
`;
}

/** A number as both sides write it; floats by their value. */
function common(type: string, text: string): string {
  const number = text
    .replace(/ '.*'$/, "")
    .replace("true", "1")
    .replace("false", "0");
  return /float|double/.test(type) ? `${type} ${Number(number)}` : `${type} ${number}`;
}

test("four hundred random expressions have C's values and C's types", async () => {
  const expressions = fc
    .sample(expression, { seed: 20261126, numRuns: 400 })
    .map(({ text }) => text);
  const folder = scratchFolder();
  try {
    const source = join(folder, "random.c");
    writeFileSync(source, program(expressions));
    runTool("gcc", [
      "-std=gnu11",
      "-O0",
      "-g",
      "-fwrapv",
      "-w",
      "-o",
      join(folder, "random"),
      source,
    ]);
    const child = spawn(join(folder, "random"), {
      stdio: ["pipe", "pipe", "inherit"],
      detached: true,
    });
    try {
      const lines: string[] = [];
      for await (const line of createInterface(child.stdout)) {
        if (line === "READY") break;
        lines.push(line);
      }
      assert.is(lines.length, expressions.length);
      const script = expressions.map((one) => `print ${one}`).join("\n");
      const run = await new LivePlace().run(child.pid ?? 0, script);
      assert.is(run.done.outcome, "completed", run.finished.stderr);
      run.prints.forEach(({ values }, at) => {
        const [value] = values;
        const [type = "", number = ""] = (lines[at] ?? "").split(/ (?=[^ ]+$)/);
        assert.is(
          common(value?.type ?? "", value?.text ?? ""),
          common(type, number),
          expressions[at],
        );
      });
      assert.is(run.prints.length, expressions.length);
    } finally {
      const closed = once(child, "close");
      child.kill("SIGKILL");
      await closed;
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test.run();

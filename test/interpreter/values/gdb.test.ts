// timeout 180s
// may skip: needs gdb
/**
 * Values of a live program, read and printed by us and by gdb. What gdb writes differently by
 * custom (NULL, folded texts) is brought to one form; the values themselves must be the same.
 */
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { PrintedValue } from "../../../interpreter/progress/events.js";
import { repositoryRoot, targetSource } from "../../support/repository.js";
import { runTool, scratchFolder } from "../../support/toolchain.js";

/** Expressions that mean the same in both; types of every kind. */
const expressions = `
c sc uc s us i ui l ul ll ull i128 u128 yes no f d ld
i8 u8 i16 u16 i32 u32 i64 u64 size difference iptr wide_char count
color odd_color shift flags wide p points u bits o tail packed aligned opaque array zeros matrix rows
text full escaped string names null_string pointer pointer_to_pointer generic pointer_to_array op
operations nothing constant changing both atomic atomic_total restricted anonymous overlay hidden
flex per_thread per_thread_point vector next_ticket::ticket next_ticket::where
o.first.name o.many[1].at o.next->first o.left o.halves.high o.run *pointer **pointer_to_pointer
&i &o.many[1] &points[2].y flex->length flex->items[2] (*pointer_to_array)[2] matrix[1] rows[1][3]
bits.a bits.b bits.c bits.d bits.e bits.f u.bytes overlay.low sizeof(o) sizeof(bits) sizeof(long)
(char)i (unsigned)sc (long)uc (short)ul (float)d (int)d ui+i l*2 -us us-70000 i/7 i%7 ul>>3 ~uc !i
pointer+1 pointer-array &points[2]-&points[0] i<ui sc<uc d*f-1 ui*ui c+1
`
  .trim()
  .split(/\s+/);

const gdb = spawnSync("gdb", ["--version"]).status === 0;

/** Both sides' writings of one value, made alike; a float is told by fewer digits than gdb shows. */
function common(text: string, type: string): string {
  const digits = /^(long )?double/.test(type) ? 17 : 7;
  return (
    text
      // gdb tells the type of a lone pointer, and of a function.
      .replace(/^\([^()]*(\(\*\)(\[\d+\]|\([^()]*\)))?[^()]*\) (?=0x)/, "")
      .replace(/\(nil\)/g, "NULL")
      .replace(/\b0x0\b/g, "NULL")
      .replace(/\\000(?="|\\)|, '\\000' <repeats \d+ times>/g, "")
      .replace(/(\\000)+"/g, '"')
      .replace(/0x([0-9a-f]+) <[^>]*>/g, "0x$1")
      .replace(/\(([A-Z_]+( \| [A-Z_]+)*)\)/g, "$1")
      .replace(/(\d)\.0\b(?!\d)/g, "$1")
      .replace(/\b(-?\d+\.\d+(e[-+]?\d+)?)\b/g, (number) =>
        String(Number(Number(number).toPrecision(digits))),
      )
      .replace(/ L'w'$/, "")
      .replace(/<repeats (\d+) times>/g, "<repeats $1 times>")
      .trim()
  );
}

async function withZoo(work: (pid: number, folder: string) => void | Promise<void>): Promise<void> {
  const folder = scratchFolder();
  const program = join(folder, "zoo");
  runTool("gcc", [
    targetSource("types/zoo.c"),
    ...["-o", program, "-std=gnu11", "-D_GNU_SOURCE", "-O0", "-g"],
  ]);
  const child = spawn(program, { detached: true, stdio: ["ignore", "pipe", "inherit"] });
  try {
    for await (const line of createInterface({ input: child.stdout })) if (line === "ready") break;
    await work(child.pid ?? 0, folder);
  } finally {
    child.kill("SIGKILL");
    await once(child, "exit");
    rmSync(folder, { recursive: true, force: true });
  }
}

/** What `polus run` prints, one value a line. */
function printedByUs(pid: number, folder: string): readonly PrintedValue[] {
  const script = join(folder, "print.polus");
  writeFileSync(script, expressions.map((one) => `print ${one}`).join("\n"));
  const output = execFileSync(
    join(repositoryRoot, "bin", "polus"),
    ["run", script, "--pid", String(pid), "--json"],
    { encoding: "utf8", env: { ...process.env, XDG_STATE_HOME: folder, SUDO_UID: "" } },
  );
  return output.split("\n").flatMap((line): readonly PrintedValue[] => {
    if (!line.includes('"event":"print"')) return [];
    const event = JSON.parse(line) as { values: readonly PrintedValue[] };
    return event.values;
  });
}

function printedByGdb(pid: number): readonly string[] {
  const commands = [
    ...["set print elements 200", "set print repeats 10", "set confirm off", "set language c"],
    ...expressions.map(
      (one) => `print ${one.replace("next_ticket::ticket", "next_ticket::ticket")}`,
    ),
  ];
  const output = execFileSync(
    "gdb",
    [
      ...["-q", "-n", "-batch", "-p", String(pid)],
      ...commands.flatMap((command) => ["-ex", command]),
    ],
    { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] },
  );
  return output.split("\n").flatMap((line) => /^\$\d+ = (.*)$/.exec(line)?.[1] ?? []);
}

const asWritten = gdb ? test : test.skip;

asWritten("values of more than sixty types read and print as gdb has them", async () => {
  await withZoo((pid, folder) => {
    const ours = printedByUs(pid, folder);
    const theirs = printedByGdb(pid);
    assert.is(ours.length, expressions.length);
    assert.is(theirs.length, expressions.length);
    assert.ok(expressions.length > 100);
    const different = expressions.flatMap((expression, index) => {
      const { text = "", type = "" } = ours[index] ?? {};
      const [a, b] = [common(text, type), common(theirs[index] ?? "", type)];
      return a === b ? [] : [`${expression}: ${a} | gdb: ${b}`];
    });
    assert.equal(different, []);
  });
});

test.run();

/** How soon the REPL answers: `print` of a global again and again, and first on a program with much debug information. */
import { spawn, type ChildProcessWithoutNullStreams } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, statSync, writeFileSync, existsSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface, type Interface } from "node:readline";
import { fileURLToPath } from "node:url";
import { runTool } from "../../test/support/toolchain.js";
import { median, quantile, table } from "./figures.js";
import type { BenchmarkOptions, Findings } from "./main.js";

const root = fileURLToPath(new URL("../../../", import.meta.url));

/** The bounds, milliseconds. */
const mostPrintMs = 5;
const mostFirstMs = 2000;
const leastDebugBytes = 100 * 1024 * 1024;

const prints = 200;
const unitsAtOnce = 40;
const structsInUnit = 1500;

/** A unit whose debug information is large: structs with many members, used by functions of their own. */
function unit(number: number): string {
  const lines = [`int unit_${number};`];
  for (let i = 0; i < structsInUnit; i++) {
    const members = Array.from({ length: 12 }, (_, at) => `long member_${number}_${i}_${at};`);
    lines.push(
      `struct record_${number}_${i} { ${members.join(" ")} };`,
      `long use_${number}_${i}(struct record_${number}_${i} *at) { return at->member_${number}_${i}_3; }`,
    );
  }
  return lines.join("\n");
}

const main = `
#include <stdio.h>
#include <unistd.h>
struct point { int x, y; };
struct state { char name[16]; struct point at; struct state *next; } state = { "first", { 1, 2 }, 0 };
int counter = 3;
int main(void) { char byte; puts("READY"); fflush(stdout); return read(0, &byte, 1) < 0; }
`;

/** Built once, kept outside of the repository. */
function bigProgram(progress: (text: string) => void): string {
  const folder = join(tmpdir(), `polus-bench-big-${process.getuid?.() ?? 0}`);
  const program = join(folder, "big");
  if (existsSync(program)) return program;
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const objects: string[] = [];
  const compile = (name: string, text: string): void => {
    const source = join(folder, `${name}.c`);
    const object = join(folder, `${name}.o`);
    writeFileSync(source, text);
    runTool("gcc", ["-std=gnu11", "-O0", "-g", "-c", "-o", object, source]);
    rmSync(source);
    objects.push(object);
  };
  compile("main", main);
  let bytes = 0;
  for (let number = 0; bytes < leastDebugBytes * 1.05 && number < unitsAtOnce * 10; number++) {
    progress(`repl: building a large program, ${(bytes / 1e6).toFixed(0)} MB`);
    compile(`unit${number}`, unit(number));
    bytes += statSync(objects.at(-1) ?? "").size / 1.95; // relocations and symbols are not debug information
  }
  runTool("gcc", ["-o", `${program}.new`, ...objects]);
  for (const object of objects) rmSync(object);
  renameSync(`${program}.new`, program);
  return program;
}

function debugBytes(program: string): number {
  const sections = runTool("readelf", ["-SW", program]).matchAll(
    / \.debug_\w+ +PROGBITS +\S+ +\S+ +(\S+)/g,
  );
  return [...sections].reduce((sum, [, size = "0"]) => sum + parseInt(size, 16), 0);
}

/** The REPL without a terminal: one line in, its answer out. */
class Talk {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #lines: AsyncIterator<string>;
  readonly #reader: Interface;

  constructor(pid: number) {
    this.#child = spawn(join(root, "bin", "polus"), ["repl", "--pid", String(pid)]);
    this.#child.stderr.resume();
    this.#reader = createInterface(this.#child.stdout);
    this.#lines = this.#reader[Symbol.asyncIterator]();
  }

  /** Milliseconds until the answer is there. */
  async ask(text: string, wanted: string): Promise<number> {
    const began = performance.now();
    this.#child.stdin.write(`${text}\n`);
    const { value } = (await this.#lines.next()) as { value: string | undefined };
    const took = performance.now() - began;
    if (value !== wanted) throw new Error(`${text} was answered by ${String(value)}`);
    return took;
  }

  async end(): Promise<void> {
    const closed = once(this.#child, "close");
    this.#child.stdin.end();
    this.#reader.resume();
    await closed;
  }
}

async function withProgram<T>(program: string, body: (pid: number) => Promise<T>): Promise<T> {
  const child = spawn(program, { stdio: ["pipe", "pipe", "inherit"], detached: true });
  try {
    await once(createInterface(child.stdout), "line");
    return await body(child.pid ?? 0);
  } finally {
    const closed = once(child, "close");
    child.kill("SIGKILL");
    await closed;
  }
}

export async function repl({ rounds = 5, progress }: BenchmarkOptions): Promise<Findings> {
  const program = bigProgram(progress);
  const bytes = debugBytes(program);
  if (bytes < leastDebugBytes)
    throw new Error(`${program} has only ${bytes} bytes of debug information`);
  const first: number[] = [];
  const later: number[] = [];
  const constant: number[] = [];
  for (let round = 0; round < rounds; round++) {
    progress(`repl: round ${round + 1} of ${rounds}`);
    await withProgram(program, async (pid) => {
      const began = performance.now();
      const talk = new Talk(pid);
      await talk.ask("print counter", "3");
      first.push(performance.now() - began);
      await talk.ask("print state.at", "{x = 1, y = 2}");
      for (let i = 0; i < prints; i++) {
        later.push(await talk.ask("print counter", "3"));
        constant.push(await talk.ask("print 3", "3"));
      }
      await talk.end();
    });
  }
  const row = (title: string, values: readonly number[]): string[] => [
    title,
    median(values).toFixed(2),
    quantile(values, 0.9).toFixed(2),
  ];
  const faults = [];
  if (median(first) > mostFirstMs)
    faults.push(`the first answer takes ${median(first).toFixed(0)} ms`);
  if (median(later) > mostPrintMs) faults.push(`print takes ${median(later).toFixed(1)} ms`);
  return {
    text: [
      `${rounds} rounds on a program with ${(bytes / 1e6).toFixed(0)} MB of debug information; milliseconds.`,
      "",
      table(
        ["", "median", "slowest tenth"],
        [
          row("from starting the REPL to the first answer", first),
          row("print of a global, after the first", later),
          row("print of a constant, which needs no process", constant),
        ],
      ),
    ].join("\n"),
    data: { rounds, debug_bytes: bytes, first, later, constant },
    faults,
  };
}

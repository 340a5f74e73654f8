/** A program of two files that answers numbers on its input, and what changes between its versions. */
import { spawn, spawnSync, type ChildProcessWithoutNullStreams } from "node:child_process";
import { cpSync, mkdirSync, realpathSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { LivePlace } from "../interpreter/live_run.js";

/** Sources by name; the Makefile builds `prog`. */
export type Sources = Readonly<Record<string, string>>;

const usual: Sources = {
  Makefile: "CFLAGS = -g -O2\nprog: main.o table.o\n\t$(CC) -o $@ $^\n",
  "table.h": `#define FACTOR 2
enum rank { LOW = 1, HIGH = 5 };
struct entry { int key; int (*act)(int); };
extern int total;
int lookup(int);
static inline int doubled(int a) { return a * FACTOR; }
`,
  "table.c": `#include "table.h"
int total = 100;
static int calls, steps = 1;
static const int bonus[] = { 10, 20, 30 };
static int prices[] = { 70, 80 };
static int small(int a) { return a + 1; }
/* Counts. */
static __attribute__((noinline)) int counted(int a)
{
  static int count;
  count++;
  calls += steps;
  return a + count;
}
static int first(int a) { return a + 1000; }
static int second(int a) { return a + 2000; }
static struct entry entries[] = { { 1, first }, { 2, second } }, *last = entries;
__attribute__((noinline)) int scaled(a, b)
  int a;
  short b;
{
  return a * b;
}
int lookup(int n)
{
  total++;
  if (n < 0) return bonus[-n % 3];
  if (n == 7) return doubled(n) + HIGH;
  if (n == 8) return small(n);
  if (n == 9) return scaled(n, 3);
  if (n == 10) return total;
  if (n == 11) return calls;
  if (n == 12) return prices[n % (sizeof prices / sizeof *prices)];
  for (last = entries; last < entries + 2; last++)
    if (last->key == n) return last->act(n);
  return counted(n);
}
`,
  "main.c": `#include <stdio.h>
#include "table.h"
int main(void)
{
  char line[32];
  while (fgets(line, sizeof line, stdin)) {
    int n;
    if (sscanf(line, "%d", &n) != 1) break;
    printf("%d\\n", lookup(n));
    fflush(stdout);
  }
  return 0;
}
`,
};

/** Replacements in a file: the first text by the second, which must be there. */
export type Change = readonly (readonly [file: string, from: string, to: string])[];

/** A folder with a chain of versions, the first built and running. */
export class AnsweringProgram {
  readonly place = new LivePlace();
  private readonly folder = realpathSync(this.place.folder);
  private current = 1;
  private child: ChildProcessWithoutNullStreams | null = null;
  private answers = "";
  private readonly patches: string[] = [];
  private awaken: () => void = () => {};

  constructor(files: Sources = usual) {
    const v1 = join(this.folder, "v1");
    mkdirSync(v1);
    for (const [name, text] of Object.entries(files)) writeFileSync(join(v1, name), text);
    cpSync(v1, join(this.folder, "built"), { recursive: true });
    const made = spawnSync("make", [], { cwd: join(this.folder, "built"), encoding: "utf8" });
    if (made.status !== 0) throw new Error(made.stderr);
  }

  get binary(): string {
    return join(this.folder, "built", "prog");
  }

  get pid(): number {
    const pid = this.child?.pid;
    if (pid === undefined) throw new Error("it does not run");
    return pid;
  }

  start(): void {
    this.child = spawn(this.binary, { detached: true, stdio: "pipe" });
    this.child.stdout.setEncoding("utf8").on("data", (text: string) => {
      this.answers += text;
      this.awaken();
    });
  }

  stop(): void {
    this.child?.stdin.end();
    this.child?.kill("SIGKILL");
  }

  /** What the program answers to a number. */
  async ask(n: number): Promise<number> {
    this.child?.stdin.write(`${n}\n`);
    while (!this.answers.includes("\n")) {
      await new Promise<void>((resolve) => (this.awaken = resolve));
    }
    const [answer = ""] = this.answers.split("\n");
    this.answers = this.answers.slice(answer.length + 1);
    return Number(answer);
  }

  /** Makes the next version, constructs and builds the patch that leads to it; its folder. */
  async patch(change: Change): Promise<string> {
    const out = await this.construct(change);
    await this.good("build", out);
    return out;
  }

  /** Makes the next version and constructs the patch that leads to it; its folder. */
  async construct(change: Change): Promise<string> {
    const from = join(this.folder, `v${this.current}`);
    const to = join(this.folder, `v${++this.current}`);
    cpSync(from, to, { recursive: true, filter: (path) => !/\.o$|\/prog$/.test(path) });
    for (const [file, before, after] of change) {
      const text = this.read(to, file);
      if (!text.includes(before)) throw new Error(`${file} has no ${before}`);
      writeFileSync(
        join(to, file),
        text.replace(before, () => after),
      );
    }
    const out = join(this.folder, `to_v${this.current}`);
    const options = ["--old", from, "--new", to, "--build", "make -B", "--binary", this.binary];
    const after = this.patches.flatMap((patch) => ["--after", patch]);
    await this.good("patchgen", ...options, ...after, "--out", out);
    this.patches.push(out);
    return out;
  }

  private read(folder: string, file: string): string {
    const { stdout, status } = spawnSync("cat", [join(folder, file)], { encoding: "utf8" });
    if (status !== 0) throw new Error(`no ${file}`);
    return stdout;
  }

  async apply(patch: string): Promise<void> {
    await this.good("run", join(patch, "update.polus"), "--pid", String(this.pid));
  }

  async rollBack(): Promise<void> {
    await this.good("rollback", "--pid", String(this.pid));
  }

  private async good(...words: string[]): Promise<void> {
    const { code, stderr } = await this.place.polus(...words);
    if (code !== 0) throw new Error(`polus ${words.join(" ")}: ${code}\n${stderr}`);
  }
}

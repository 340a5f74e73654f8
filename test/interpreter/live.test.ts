/** The installed command and the native engine on running programs: the whole way, once for each command. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { spawn, type ChildProcess } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { repositoryRoot } from "../support/repository.js";
import { build } from "../support/toolchain.js";
import { statusLines, type JsonRun } from "./command.js";
import { LivePlace } from "./live_run.js";
import type { Finished } from "./running.js";

const program = build({
  name: "answers",
  sources: [join(repositoryRoot, "test", "interpreter", "programs", "answers.c")],
  flags: ["-std=gnu11", "-D_GNU_SOURCE", "-O2", "-g", "-Wall", "-Wextra", "-Werror"],
});

/** Where each process's answer begins: its version, and its slot. */
const oldVersion = 1;
const newVersion = 2;

class Answers {
  private constructor(
    private readonly child: ChildProcess,
    private readonly place: LivePlace,
    /** The parent first. */
    readonly pids: readonly number[],
  ) {}

  static async start(children: number): Promise<Answers> {
    const place = new LivePlace();
    const file = place.file("slots", Buffer.alloc(4096));
    const child = spawn(program, [file, String(children)], {
      stdio: ["ignore", "pipe", "inherit"],
      detached: true,
    });
    const line = await new Promise<string>((resolve, reject) => {
      createInterface({ input: child.stdout }).once("line", resolve);
      child.once("error", reject);
      child.once("exit", () => reject(new Error("answers ended at once")));
    });
    const answers = new Answers(child, place, line.split(" ").map(Number));
    running.add(answers);
    return answers;
  }

  get pid(): number {
    return this.pids[0] ?? 0;
  }

  private slots(): number[] {
    const bytes = readFileSync(join(this.place.folder, "slots"));
    return this.pids.map((_pid, slot) => bytes.readInt32LE(slot * 4));
  }

  /** The version that each process answers with, after all of them have answered anew. */
  async versions(): Promise<number[]> {
    const before = this.slots();
    for (let turn = 0; turn < 1000; turn++) {
      await new Promise((resolve) => setTimeout(resolve, 10));
      const now = this.slots();
      if (now.every((value, slot) => value !== 0 && value !== before[slot])) {
        assert.ok(
          now.every((value, slot) => Math.floor((value % 100_000) / 10_000) === slot),
          `a process answers for another: ${now.join()}`,
        );
        return now.map((value) => Math.floor(value / 100_000));
      }
    }
    throw new Error("a process has stopped answering");
  }

  async end(): Promise<void> {
    running.delete(this);
    const ended = new Promise((resolve) => this.child.once("exit", resolve));
    this.child.kill("SIGKILL");
    await ended;
  }

  polus(...words: string[]): Promise<Finished> {
    return this.place.polus(...words);
  }

  json(...words: string[]): Promise<JsonRun> {
    return this.place.json(...words);
  }

  script(text: string): string {
    return this.place.file("update.polus", text);
  }
}

const running = new Set<Answers>();
test.after.each(async () => {
  for (const answers of running) await answers.end();
});

function update(scope: "process" | "tree", more = ""): string {
  return `update newer "answers with the next version" {
    target { exe "${program}" scope ${scope} }
    patch p {
      c {
        extern int calls __asm__("calls$answers.c");
        int answer(int slot) { calls++; return 200000 + slot * 10000 + calls % 10000; }
      }
      replace answer in "answers.c"
    }
    ${more}
  }\n`;
}

test("check, run, run again, status, rollback", async () => {
  const answers = await Answers.start(0);
  const script = answers.script(update("process", "complete within 5s"));
  assert.equal(await answers.versions(), [oldVersion]);
  for (const target of [
    ["--pid", String(answers.pid)],
    ["--exe", program],
  ]) {
    const check = await answers.json("check", script, ...target);
    assert.is(check.code, 0, check.finished.stderr);
  }
  const run = await answers.json("run", script);
  assert.is(run.code, 0, run.finished.stderr);
  assert.is(run.done.outcome, "applied");
  assert.is(run.done.completion, "complete");
  assert.equal(run.done.pids, [answers.pid]);
  assert.equal(await answers.versions(), [newVersion]);
  const again = await answers.json("run", script);
  assert.is(again.done.outcome, "skipped");
  const [status] = statusLines(
    await answers.polus("status", "--pid", String(answers.pid), "--json"),
  );
  assert.equal(
    status?.updates.map(({ name, state, points }) => [name, state, points]),
    [["newer", "active", ["start"]]],
  );
  const back = await answers.json("rollback", "--pid", String(answers.pid));
  assert.is(back.code, 0, back.finished.stderr);
  assert.is(back.done.outcome, "rolled-back");
  assert.equal(await answers.versions(), [oldVersion]);
  assert.is((await answers.json("rollback", "--pid", String(answers.pid))).done.outcome, "skipped");
  const past = await answers.json("rollback", "--pid", String(answers.pid), "--to", "newer.start");
  assert.is(past.done.outcome, "skipped");
  assert.is(past.done.state, "unchanged");
  assert.is((await answers.json("recover", "--pid", String(answers.pid))).done.outcome, "skipped");
});

test("scope tree updates and rolls back all, scope process the named one alone", async () => {
  const answers = await Answers.start(2);
  const pid = String(answers.pid);
  const tree = await answers.json("run", answers.script(update("tree")));
  assert.is(tree.code, 0, tree.finished.stderr);
  assert.equal(
    [...tree.done.pids].sort((left, right) => left - right),
    [...answers.pids].sort((left, right) => left - right),
  );
  assert.equal(await answers.versions(), [newVersion, newVersion, newVersion]);
  const back = await answers.json("rollback", "--pid", pid);
  assert.is(back.code, 0, back.finished.stderr);
  assert.is(back.done.pids.length, 3);
  assert.equal(await answers.versions(), [oldVersion, oldVersion, oldVersion]);

  const several = await answers.json("run", answers.script(update("process")));
  assert.is(several.code, 2);
  assert.is(several.diagnostics[0]?.code, "several-processes");
  // Waiting for completion looks at the whole tree; the second update must go to the one process all the same.
  const second = update("process").replace("newer", "later");
  const named = await answers.json(
    "run",
    answers.script(update("process", "complete within 5s") + second),
    "--pid",
    pid,
  );
  assert.is(named.code, 0, named.finished.stderr);
  assert.equal(named.done.pids, [answers.pid]);
  assert.equal(await answers.versions(), [newVersion, oldVersion, oldVersion]);
  assert.equal(
    statusLines(await answers.polus("status", "--pid", String(answers.pids[1]), "--json"))[0]
      ?.updates,
    [],
  );
});

test("a run whose second update is refused changes nothing; one that fails later undoes", async () => {
  const answers = await Answers.start(0);
  const unknown = update("process")
    .replace("newer", "other")
    .replace('replace answer in "answers.c"', "replace anser with answer");
  const refused = await answers.json("run", answers.script(update("process") + unknown));
  assert.is(refused.code, 2);
  assert.is(refused.diagnostics[0]?.code, "unknown-function");
  assert.match(refused.diagnostics[0]?.suggestion ?? "", "`answer`");
  assert.equal(await answers.versions(), [oldVersion]);
  const script = `${update("process")} print "one" apply newer print "two" rollback to newer.start`;
  const both = await answers.json("run", answers.script(script));
  assert.is(both.code, 0, both.finished.stderr);
  assert.is(both.done.outcome, "rolled-back");
  assert.is(both.prints.length, 2);
  assert.equal(await answers.versions(), [oldVersion]);
});

test("a process that is gone, a kernel thread and polus's own machinery are refused", async () => {
  const answers = await Answers.start(0);
  const pid = answers.pid;
  await answers.end();
  for (const [target, code] of [
    [pid, "no-such-process"],
    [2, "kernel-thread"],
  ] as const) {
    const run = await answers.json(
      "run",
      answers.script(update("process")),
      "--pid",
      String(target),
    );
    assert.is(run.code, 2, String(target));
    // Not every machine shows its kernel threads (containers do not).
    assert.ok(["no-such-process", code].includes(run.diagnostics[0]?.code ?? ""));
  }
});

test.run();

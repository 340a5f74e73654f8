/** The real REPL on a terminal of its own, with a live program. */
// timeout 300s
import { test } from "uvu";
import * as assert from "uvu/assert";
import { spawn, spawnSync } from "node:child_process";
import { readFileSync, realpathSync, statSync } from "node:fs";
import { join } from "node:path";
import { repositoryRoot } from "../../support/repository.js";
import { expectUntraced } from "../../support/engine_session.js";
import { sleep, TargetProcess } from "../../support/target_process.js";
import { build } from "../../support/toolchain.js";
import { temporaryFolder } from "../temporary_folder.js";
import { keys, TerminalSession } from "./terminal_session.js";

const folder = realpathSync(temporaryFolder());

function program(): string {
  return build({
    name: "service",
    sources: [join(repositoryRoot, "test", "interpreter", "programs", "service.c")],
    flags: ["-std=gnu11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-O2", "-g", "-pthread"],
  });
}

async function withService(body: (target: TargetProcess) => Promise<void>): Promise<void> {
  const target = await TargetProcess.start(program());
  try {
    await body(target);
  } finally {
    await target.kill();
  }
}

async function withTerminal(
  words: readonly string[],
  body: (terminal: TerminalSession) => Promise<void>,
  colour = false,
): Promise<void> {
  const terminal = new TerminalSession(["repl", ...words], { folder, colour });
  try {
    await body(terminal);
  } finally {
    terminal.kill();
  }
}

test("attach, type in a function, apply it, undo it, leave; the program never misses a beat", async () => {
  await withService(async (target) => {
    await withTerminal([], async (terminal) => {
      await terminal.saw("polus> ");
      await terminal.line(`.attach ${target.pid}`, /service:\d+> $/);
      expectUntraced(target);
      assert.match(await terminal.line(".threads"), /service\n/);
      assert.match(await terminal.line(`.bt ${target.pid}`), /main/);
      const printed = await terminal.line("print first");
      assert.match(
        printed,
        /name = "first", position = \{x = 1, y = 2\}, next = 0x[0-9a-f]+ <last>/,
      );
      terminal.type("first.position.");
      // Keys that come together count as a paste.
      for (const key of [keys.tab, keys.tab]) {
        await sleep(100);
        terminal.type(key);
      }
      await terminal.saw(/x +y/);
      terminal.type("y");
      terminal.type("\r");
      await terminal.saw(/\n2\n.*> $/);
      terminal.type("first.nex");
      await terminal.saw("first.nex");
      terminal.type(keys.tab);
      await terminal.saw(/t/);
      terminal.type("->na");
      await terminal.saw("->na");
      terminal.type(keys.tab);
      await terminal.saw(/me/);
      assert.match(await terminal.line(""), '"last"');
      assert.match(await terminal.line(".types struct session"), "struct point position;");
      assert.match(await terminal.line("set counter = 5"), "counter: 3 -> 5");
      assert.is((await target.ask("state"))["counter"], 5);
      await terminal.line("let session = &last");
      assert.match(await terminal.line("session->position.x"), /\n7\n/);
      await terminal.line("patch quick { c { int work(int x) { return x * 5; } }", /\.\.\. $/);
      const applied = await terminal.line("replace work }", /service:\d+ \+1> $/);
      assert.match(applied, "applied quick");
      expectUntraced(target);
      await sleep(50);
      assert.is((await target.ask("state"))["result"], 105);
      assert.match(await terminal.line(".status"), /quick: active/);
      await terminal.line(".undo", /service:\d+> $/);
      await sleep(50);
      assert.is((await target.ask("state"))["result"], 42);
      await terminal.line(".undo");
      assert.is((await target.ask("state"))["counter"], 3);
      terminal.type(keys.ctrlD);
      await terminal.saw(/detached from \d+, which runs on; it carries no updates/);
      assert.is(await terminal.ended(), 0);
    });
    const before = Number((await target.ask("state"))["calls"]);
    await sleep(50);
    const after = await target.ask("state");
    assert.ok(Number(after["calls"]) > before, "the program does not run on");
    assert.ok(Number(after["longest_gap_ms"]) < 500, JSON.stringify(after));
    expectUntraced(target);
  });
});

test("an update that stays is told of when leaving", async () => {
  await withService(async (target) => {
    await withTerminal(["--pid", String(target.pid)], async (terminal) => {
      await terminal.saw(/service:\d+> /);
      await terminal.line(
        "patch quick { c { int work(int x) { return x * 5; } } replace work }",
        /\+1> $/,
      );
      await terminal.line(
        "patch again { c { int work(int x) { return x * 6; } } replace work }",
        /\+2> $/,
      );
      assert.match(
        await terminal.line("rollback to again.start", /\+1> $/),
        /rolled back to again/,
      );
      terminal.type(".exit\r");
      await terminal.saw(/these updates stay: quick/);
      assert.is(await terminal.ended(), 0);
    });
    assert.is((await target.ask("state"))["result"], 105);
  });
});

test("C that is typed in speaks of the program's types and variables without declaring them", async () => {
  await withService(async (target) => {
    await withTerminal(["--pid", String(target.pid)], async (terminal) => {
      await terminal.saw(/service:\d+> /);
      const text =
        "patch quick { c { int work(int x) { struct session *at = first.next; return at->position.y * counter + x; } } replace work }";
      assert.match(await terminal.line(text, /\+1> $/), "applied quick");
      await sleep(50);
      assert.is((await target.ask("state"))["result"], 8 * 3 + 21);
      const wrong = "patch bad { c { int work(int x) { return first.none; } } replace work }";
      assert.match(await terminal.line(wrong), /has no member named .none/);
      await terminal.line(".undo", /service:\d+> $/);
      terminal.type(".exit\r");
      assert.is(await terminal.ended(), 0);
    });
  });
});

test("without a process: constants, blocks, errors with a caret, several lines at once", async () => {
  await withTerminal([], async (terminal) => {
    await terminal.saw("polus> ");
    assert.match(await terminal.line("1 + 2 * 3"), /\n7\n/);
    await terminal.line("const most =", /\.\.\. $/);
    await terminal.line("4");
    assert.match(await terminal.line("most * 2"), /\n8\n/);
    const wrong = await terminal.line("print (1 +) 2");
    assert.match(wrong, "<input>:1:11: error syntax");
    assert.match(wrong, "^");
    assert.not.match(wrong, "    at ");
    terminal.type("10 + 1\r20 + 2\r.nope\r30 + 3\r");
    await terminal.saw(
      /10 \+ 1\n11\npolus> 20 \+ 2\n22\npolus> \.nope\n.*unknown-command.*\n.*\npolus> 30 \+ 3\n33\npolus> /s,
    );
    assert.match(await terminal.line("apply it"), "unknown-update");
  });
});

test("Ctrl-C clears the line, gives up a block, and says how to leave", async () => {
  await withTerminal([], async (terminal) => {
    await terminal.saw("polus> ");
    terminal.type("1 + 1");
    await terminal.saw("1 + 1");
    terminal.type(keys.ctrlC);
    await terminal.saw(/\npolus> $/);
    await terminal.line("print (1", /\.\.\. $/);
    terminal.type(keys.ctrlC);
    await terminal.saw(/\npolus> $/);
    assert.match(await terminal.line("2 + 3"), /\n5\n/);
    terminal.type(keys.ctrlC);
    await terminal.saw(/\npolus> $/);
    terminal.type(keys.ctrlC);
    await terminal.saw("Ctrl-D or .exit leaves");
    terminal.type(keys.ctrlD);
    assert.is(await terminal.ended(), 0);
  });
});

test("a pasted block waits for Enter; the history has blocks as one entry, for its owner only", async () => {
  await withTerminal(
    [],
    async (terminal) => {
      await terminal.saw("polus> ");
      terminal.type(`${keys.pasteStart}print\n  40 +\n  2${keys.pasteEnd}`);
      await terminal.saw(/print\n {2}40 \+\n {2}2$/);
      assert.match(await terminal.line(""), /\n42\n/);
      await terminal.line("print (", /\.\.\. $/);
      assert.match(await terminal.line("5)"), /\n5\n/);
    },
    true,
  );
  const file = join(folder, "state", "polus", "repl-history.jsonl");
  assert.is(statSync(file).mode & 0o777, 0o600);
  const entries = readFileSync(file, "utf8").trim().split("\n").slice(-2);
  assert.equal(
    entries.map((line): unknown => JSON.parse(line)),
    ["print\n  40 +\n  2", "print (\n5)"],
  );
  await withTerminal([], async (terminal) => {
    await terminal.saw("polus> ");
    terminal.type(keys.up);
    await terminal.saw(/print \(\n5\)$/);
    assert.match(await terminal.line(""), /\n5\n/);
  });
});

test("Tab completes commands, statements and declared names; colours come and go", async () => {
  await withTerminal(
    [],
    async (terminal) => {
      await terminal.saw("polus> ");
      terminal.type(".thr");
      await terminal.saw(".thr");
      terminal.type(keys.tab);
      await terminal.saw(/eads/);
      terminal.type(keys.ctrlC);
      await terminal.line("const remarkable = 12");
      terminal.type("print remar\t");
      await terminal.saw("print remarkable");
      assert.match(await terminal.line(""), /\n12\n/);
      assert.match(terminal.screen, "\u001b[1;34mprint\u001b[0m");
    },
    true,
  );
  await withTerminal([], async (terminal) => {
    await terminal.line("print 1");
    assert.not.match(terminal.screen, /\u001b\[[\d;]*m/);
  });
});

test("Ctrl-C stops what runs, and what waits behind it; the process is not held", async () => {
  await withService(async (target) => {
    await withTerminal(["--pid", String(target.pid)], async (terminal) => {
      await terminal.saw(/service:\d+> /);
      terminal.type("wait until counter == 99 within 60s\r");
      await terminal.saw("waiting");
      terminal.type("set counter = 7\r");
      await sleep(100);
      terminal.type(keys.ctrlC);
      await terminal.saw("1 more lines that waited are dropped");
      await terminal.saw(/stopped by Ctrl-C/);
      await terminal.saw(/service:\d+> $/);
      assert.is((await target.ask("state"))["counter"], 3);
      expectUntraced(target);
      assert.match(await terminal.line("counter"), /\n3\n/);
    });
  });
});

test("a program that ends is told of at the next prompt", async () => {
  await withService(async (target) => {
    await withTerminal(["--pid", String(target.pid)], async (terminal) => {
      await terminal.saw(/service:\d+> /);
      await target.kill();
      const shown = await terminal.line("1 + 1", /polus> $/);
      assert.match(shown, "has ended");
      assert.match(await terminal.line("3 + 3"), /\n6\n/);
    });
  });
});

/** Runs the REPL with that standard input and no terminal. */
function piped(text: string, ...words: string[]) {
  return spawnSync(process.execPath, [join(repositoryRoot, "bin", "polus"), "repl", ...words], {
    cwd: folder,
    input: text,
    encoding: "utf8",
    timeout: 30_000,
    env: { PATH: process.env["PATH"] ?? "", HOME: folder },
  });
}

test("without a terminal: no prompts, no echo; the first failure ends it", async () => {
  const good = piped("1 + 1\nconst a = 2\nprint a,\n  a * 2\n");
  assert.equal([good.stdout, good.status], ["2\n2 4\n", 0], good.stderr);
  const bad = piped("1 + 1\nprint )\n3 + 3\n");
  assert.equal([bad.stdout, bad.status], ["2\n", 1], bad.stderr);
  assert.match(bad.stderr, "<input>:1:7: error syntax");
});

test("a script's declarations are loaded first; .save writes a script that runs", async () => {
  await withService(async (target) => {
    const saved = join(folder, `saved-${process.pid}.polus`);
    const run = piped(
      `patch quick { c { int work(int x) { return x * 5; } } replace work }\nprint 1 + 1\n.save ${saved}\n.undo\n`,
      "--pid",
      String(target.pid),
    );
    assert.is(run.status, 0, run.stderr);
    assert.is((await target.ask("state"))["result"], 42);
    const again = spawn(
      process.execPath,
      [join(repositoryRoot, "bin", "polus"), "run", saved, "--pid", String(target.pid)],
      { cwd: folder, stdio: ["ignore", "pipe", "pipe"] },
    );
    let shown = "";
    for (const stream of [again.stdout, again.stderr])
      stream.on("data", (part: Buffer) => (shown += part.toString()));
    const code = await new Promise((resolve) => again.on("close", resolve));
    assert.is(code, 0, shown);
    await sleep(50);
    assert.is((await target.ask("state"))["result"], 105);
    const listed = piped(".plan quick\n", saved);
    assert.match(listed.stdout, "replace work", listed.stderr);
  });
});

test.run();

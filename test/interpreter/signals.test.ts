/** Signals, readers that go away and readers that do not read. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { spawn } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { execFileSync } from "node:child_process";
import { Workplace } from "./command.js";
import { fakeProcess } from "./fake_engine.js";

function update(name: string, more = ""): string {
  return `update ${name} { target { exe "server" } patch p from "a.so" { replace work } ${more} }\n`;
}

test("a signal during a step finishes it, then undoes what would be half", async () => {
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    const place = new Workplace({ processes: [fakeProcess(1)], delayMs: 400 });
    place.file("s.polus", update("one") + update("two"));
    const run = place.start(["run", "s.polus", "--json"]);
    await run.saw('"event":"applying"');
    run.child.kill(signal);
    await run.saw('"event":"stopping"');
    run.child.kill(signal);
    const { code, stdout } = await run.finished;
    assert.is(code, 3, signal);
    assert.match(stdout, '"again":true');
    assert.match(stdout, '"code":"interrupted"');
    assert.match(stdout, '"state":"one.start"');
    assert.equal(place.calls.slice(-2), ["apply one", "rollback one.start"]);
    assert.is(place.world.processes[0]?.updates[0]?.state, "rolled-back");
  }
});

test("a signal during the last step lets it finish: applied", async () => {
  const place = new Workplace({ processes: [fakeProcess(1)], delayMs: 400 });
  place.file("s.polus", update("one"));
  const run = place.start(["run", "s.polus"]);
  await run.saw("applying one");
  run.child.kill("SIGTERM");
  const { code, stderr } = await run.finished;
  assert.is(code, 0);
  assert.match(stderr, "SIGTERM: finishing or undoing");
  assert.match(stderr, /\napplied: /);
});

test("a signal ends the wait for completion: applied, pending", async () => {
  const place = new Workplace({ processes: [fakeProcess(1)], looksUntilComplete: 1_000_000 });
  place.file("s.polus", update("one", "complete within 1h"));
  const run = place.start(["run", "s.polus", "--json"]);
  await run.saw("completing");
  run.child.kill("SIGINT");
  const { code, stdout } = await run.finished;
  assert.is(code, 0);
  assert.match(stdout, '"completion":"pending"');
});

test("a signal while C is being compiled touches nothing and leaves no compiler behind", async () => {
  const place = new Workplace({ processes: [fakeProcess(1)] });
  const pidFile = join(place.folder, "compiler-pid");
  execFileSync("mkdir", ["-p", join(place.folder, "config", "polus")]);
  place.file(
    "config/polus/settings.json",
    JSON.stringify({ c_compiler: join(place.folder, "cc") }),
  );
  place.file("cc", `#!/bin/sh\necho $$ > ${pidFile}\necho compiling >&2\nexec sleep 60\n`);
  execFileSync("chmod", ["755", join(place.folder, "cc")]);
  place.file(
    "s.polus",
    'update u { target { exe "server" } patch p { c { int f; } replace work } }',
  );
  const run = place.start(["run", "s.polus"]);
  const compiler = await waitForNumber(pidFile);
  run.child.kill("SIGINT");
  const { code } = await run.finished;
  assert.is(code, 3);
  assert.equal(place.calls, []);
  assert.throws(() => process.kill(compiler, 0), /ESRCH/);
});

async function waitForNumber(path: string): Promise<number> {
  for (let turn = 0; turn < 500; turn++) {
    try {
      const number = Number(readFileSync(path, "utf8"));
      if (number > 0) return number;
    } catch {
      // Not written yet.
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`${path} was never written`);
}

test("a reader that goes away does not end the run in the middle", async () => {
  const place = new Workplace({ processes: [fakeProcess(1)], delayMs: 200 });
  place.file("s.polus", update("one") + update("two"));
  const run = place.start(["run", "s.polus", "--json"]);
  await run.saw('"event":"applying"');
  run.child.stdout?.destroy();
  run.child.stderr?.destroy();
  const { code, signal } = await run.finished;
  assert.is(signal, null);
  assert.is(code, 0);
  assert.equal(
    place.world.processes[0]?.updates.map(({ state }) => state),
    ["active", "active"],
  );
});

test("a reader that does not read holds no work", async () => {
  const place = new Workplace({ processes: [fakeProcess(1)] });
  const prints = Array.from({ length: 40 }, () => `print "${"x".repeat(10_000)}"`).join("\n");
  place.file("s.polus", `${update("one")}${prints}\napply one`);
  const fifo = join(place.folder, "fifo");
  execFileSync("mkfifo", [fifo]);
  // Opened for both, so that neither end waits; nobody reads what is in it.
  const descriptor = openSync(fifo, "r+");
  const run = place.start(["run", "s.polus", "--json"], { stdout: descriptor });
  await waitFor(() => place.world.processes[0]?.updates[0]?.state === "active");
  const reader = spawn("cat", [fifo], { stdio: ["ignore", "pipe", "ignore"] });
  let text = "";
  reader.stdout.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
  const { code } = await run.finished;
  closeSync(descriptor);
  await new Promise((resolve) => reader.on("close", resolve));
  assert.is(code, 0);
  assert.is(text.split("\n").filter((line) => line.includes('"event":"print"')).length, 40);
  assert.match(text.trimEnd().split("\n").at(-1) ?? "", '"event":"done"');
});

async function waitFor(condition: () => boolean): Promise<void> {
  for (let turn = 0; turn < 1000; turn++) {
    try {
      if (condition()) return;
    } catch {
      // The world is being written right now.
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error("it never came true");
}

test.run();

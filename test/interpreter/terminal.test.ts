/** On a terminal: the question before anything is done. `script` of util-linux makes the terminal. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { spawn } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { Workplace } from "./command.js";
import { fakeProcess } from "./fake_engine.js";

const entry = join(dirname(fileURLToPath(import.meta.url)), "fake_polus.js");
const text = 'update fix { target { exe "server" } patch p from "a.so" { replace work } }';

/** Runs the command on a terminal of its own, types `answer` when it is asked; returns exit code and screen. */
function onTerminal(
  place: Workplace,
  answer: string,
  words = "",
): Promise<{ code: number | null; screen: string }> {
  const command = `exec "${process.execPath}" "${entry}" run s.polus ${words}`;
  const child = spawn("script", ["-qefc", command, "/dev/null"], {
    cwd: place.folder,
    stdio: ["pipe", "pipe", "inherit"],
    env: {
      PATH: process.env["PATH"] ?? "",
      TERM: "xterm",
      HOME: place.folder,
      POLUS_TEST_WORLD: join(place.folder, "world.json"),
    },
  });
  const timer = setTimeout(() => child.kill("SIGKILL"), 20_000);
  let screen = "";
  let asked = false;
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    screen += chunk;
    if (!asked && screen.includes("[y/N]")) {
      asked = true;
      child.stdin.write(answer);
    }
  });
  return new Promise((resolve) => {
    child.on("close", (code) => {
      clearTimeout(timer);
      resolve({ code, screen });
    });
  });
}

function workplace(): Workplace {
  const place = new Workplace({ processes: [fakeProcess(1)] });
  place.file("s.polus", text);
  return place;
}

test("yes goes on, in colour", async () => {
  const place = workplace();
  const { code, screen } = await onTerminal(place, "y\n");
  assert.is(code, 0, screen);
  assert.match(screen, "go on with fix on 1 process?");
  assert.match(screen, "\u001b[1;32mapplied\u001b[0m");
  assert.equal(place.calls, ["verify fix", "apply fix"]);
});

test("no, an empty line and anything else change nothing", async () => {
  for (const answer of ["n\n", "\n", "yikes\n", "\u0004"]) {
    const place = workplace();
    const { code, screen } = await onTerminal(place, answer);
    assert.is(code, 2, screen);
    assert.match(screen, "declined");
    assert.equal(place.calls, []);
  }
});

test("Ctrl-C at the question changes nothing", async () => {
  const place = workplace();
  const { code, screen } = await onTerminal(place, "\u0003");
  assert.is(code, 3, screen);
  assert.match(screen, "interrupted");
  assert.equal(place.calls, []);
});

test("--yes is not asked", async () => {
  const { code, screen } = await onTerminal(workplace(), "n\n", "--yes");
  assert.is(code, 0, screen);
  assert.not.match(screen, "[y/N]");
});

test.run();

import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  defaultTimeLimitMs,
  describeTestFile,
  discoverTestFiles,
  readDirectives,
} from "../../scripts/testing/discover.js";
import { execute } from "../../scripts/testing/execute.js";
import { judge, type Verdict } from "../../scripts/testing/verdict.js";

const root = resolve(import.meta.dirname, "../../..");

async function run(fixture: string): Promise<Verdict & { readonly output: string }> {
  const script = join(root, "test/scripts/fixtures", `${fixture}.mjs`);
  const file = describeTestFile(fixture, script, script);
  const ending = await execute(file, {
    cwd: root,
    abort: new AbortController().signal,
    stateHome: process.env["XDG_STATE_HOME"] ?? tmpdir(),
  });
  return { ...judge(ending, file), output: ending.output };
}

/** [fixture, passed, failed, part of the reason] */
const failing: readonly (readonly [string, number, number, RegExp])[] = [
  ["fails", 1, 1, /exited with code 1/],
  ["throwing-before", 0, 1, /1 of 1 tests did not pass/],
  ["non-error-rejection", 1, 2, /2 of 3 tests did not pass/],
  ["forgotten-run", 0, 1, /printed no summary/],
  ["forgotten-suite", 1, 1, /second\.run\(\) is never called/],
  ["no-test", 0, 1, /ran no test/],
  ["early-exit", 0, 1, /printed no summary/],
  ["crashes", 0, 1, /ended by SIGSEGV/],
  ["throws-after-the-end", 1, 1, /exited with code 1/],
  ["only", 1, 1, /only\(\) leaves the other tests out/],
  ["skips", 1, 1, /1 skipped/],
  ["bad-directive", 1, 1, /cannot read the directive/],
  ["two-summaries", 1, 1, /several summaries/],
];

for (const [fixture, passed, failed, reason] of failing) {
  test(`a file that ${fixture} counts as failed`, async () => {
    const verdict = await run(fixture);
    assert.is(verdict.passed, passed);
    assert.is(verdict.failed, failed);
    assert.match(verdict.reasons.join("\n"), reason);
  });
}

test("a good file counts its tests, and its output is kept", async () => {
  const verdict = await run("passes");
  assert.equal([verdict.passed, verdict.failed, verdict.reasons], [2, 0, []]);
  assert.match(verdict.output, /Total: +2/);
});

test("a file may say why it skips", async () => {
  const verdict = await run("skips-with-reason");
  assert.equal([verdict.passed, verdict.failed, verdict.skipped], [1, 0, 1]);
});

function sleeperOf(output: string): string {
  const pid = /^sleeper (\d+)$/m.exec(output)?.[1];
  assert.ok(pid !== undefined, "the fixture names the process that it started");
  return pid ?? "";
}

test("time out ends the file and every process that it started, in other sessions too", async () => {
  const start = performance.now();
  const verdict = await run("hangs");
  assert.equal([verdict.passed, verdict.failed], [0, 1]);
  assert.match(verdict.reasons.join("\n"), /ran out of time/);
  assert.ok(performance.now() - start < 10_000);
  assert.not(existsSync(`/proc/${sleeperOf(verdict.output)}/fd/0`));
});

test("a process left behind fails the file and is ended", async () => {
  const verdict = await run("leaves-a-process");
  assert.equal([verdict.passed, verdict.failed], [1, 1]);
  assert.match(verdict.reasons.join("\n"), /left processes behind: \d+ sleep/);
  assert.not(existsSync(`/proc/${sleeperOf(verdict.output)}/fd/0`));
});

test("directives are read from the leading comment lines only", () => {
  const text = "// exclusive\n// timeout 300s\n// anything\nimport 'x';\n// may skip: no\n";
  assert.equal(readDirectives(text), {
    timeLimitMs: 300_000,
    exclusive: true,
    maySkip: null,
    faults: [],
  });
  assert.is(readDirectives("import 'x';\n// timeout 5s\n").timeLimitMs, defaultTimeLimitMs);
});

test("this file is discovered, fixtures are not", () => {
  const names = discoverTestFiles(root).map((file) => file.name);
  assert.ok(names.includes("test/scripts/runner.test.ts"));
  assert.not(names.some((name) => name.includes("fixtures/")));
});

/** A project of its own, inside this one so that uvu is found. */
async function withProject(
  files: Record<string, string>,
  use: (folder: string) => void | Promise<void>,
): Promise<void> {
  mkdirSync(join(root, "build"), { recursive: true });
  const folder = mkdtempSync(join(root, "build/runner-"));
  try {
    for (const [name, text] of Object.entries(files)) {
      for (const path of [`test/${name}.test.ts`, `dist/test/${name}.test.js`]) {
        mkdirSync(join(folder, path, ".."), { recursive: true });
        writeFileSync(join(folder, path), text);
      }
    }
    writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
    await use(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function runProject(
  folder: string,
  ...words: string[]
): { status: number | null; lines: string[] } {
  const main = join(root, "dist/scripts/testing/main.js");
  const { status, stdout } = spawnSync(process.execPath, [main, "--root", folder, ...words], {
    encoding: "utf8",
    timeout: 60_000,
  });
  return { status, lines: stdout.trimEnd().split("\n") };
}

const good = 'import { test } from "uvu";\ntest("fine", () => {});\ntest.run();\n';
const bad =
  'import { test } from "uvu";\ntest("no", () => { throw new Error("seen"); });\ntest.run();\n';

test("the last line is the sum, exactly once, and the exit code says the same", async () => {
  await withProject({ "a/good": good, "b/good": good, "b/bad": bad }, (folder) => {
    const all = runProject(folder);
    assert.is(all.status, 1);
    assert.is(all.lines.at(-1), "2 passed, 1 failed");
    const named = all.lines.indexOf("Failed: test/b/bad.test.ts");
    assert.equal(all.lines.slice(named + 1, -2), [
      ...["     exited with code 1", "     1 of 1 tests did not pass", '     "no": seen'],
    ]);
    assert.is(all.lines.filter((line) => /^\d+ passed, \d+ failed$/.test(line)).length, 1);
    assert.ok(
      all.lines.some((line) => line.includes("seen")),
      "a failing file's output is shown",
    );
    const some = runProject(folder, "a/");
    assert.is(some.status, 0);
    assert.is(some.lines.at(-1), "1 passed, 0 failed");
  });
});

const failsFirst = `import { existsSync, writeFileSync } from "node:fs";
import { test } from "uvu";
test("alone", () => {
  if (existsSync("seen")) return;
  writeFileSync("seen", "");
  throw new Error("the first time");
});
test.run();
`;

test("a file that failed is run once more, alone, and named when that passed", async () => {
  await withProject({ "a/first": failsFirst, "b/good": good }, (folder) => {
    const once = runProject(folder);
    assert.is(once.status, 0);
    assert.is(once.lines.at(-1), "2 passed, 0 failed");
    assert.ok(once.lines.some((line) => line.includes("the first time")));
    assert.ok(once.lines.includes("Failed beside others, passed alone: test/a/first.test.ts"));
  });
  const bads = Array.from({ length: 10 }, (_, at) => [`b/${at}`, bad] as const);
  const worse = { "a/first": failsFirst, ...Object.fromEntries(bads) };
  await withProject(worse, (folder) => {
    const many = runProject(folder);
    assert.is(many.status, 1);
    assert.is(many.lines.at(-1), "0 passed, 11 failed", "so many failures are no accident");
  });
});

test("no file that matches, and a file that was not compiled, are failures", async () => {
  await withProject({ good }, (folder) => {
    const none = runProject(folder, "nonsense");
    assert.is(none.status, 1);
    assert.is(none.lines.at(-1), "0 passed, 1 failed");
    writeFileSync(join(folder, "test/uncompiled.test.ts"), good);
    const missing = runProject(folder);
    assert.is(missing.status, 1);
    assert.is(missing.lines.at(-1), "1 passed, 1 failed");
  });
});

const noteExclusive = (letter: string): string => `// exclusive
import { appendFileSync } from "node:fs";
import { setTimeout } from "node:timers/promises";
import { test } from "uvu";
test("alone", async () => {
  appendFileSync("order", "${letter}");
  await setTimeout(300);
  appendFileSync("order", "${letter}");
});
test.run();
`;

test("exclusive files run after the others, one after another", () => {
  const others = good.replace(
    "() => {}",
    '() => import("node:fs").then((fs) => fs.appendFileSync("order", "."))',
  );
  withProject({ a: noteExclusive("a"), b: noteExclusive("b"), c: others }, (folder) => {
    assert.is(runProject(folder).status, 0);
    const order = readFileSync(join(folder, "order"), "utf8");
    assert.is(order, ".aabb");
  });
});

const waiting = `import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { test } from "uvu";
test("waits", async () => {
  const child = spawn("sleep", ["600"], { detached: true, stdio: "ignore" });
  writeFileSync("sleeper", String(child.pid));
  await new Promise((resolve) => setTimeout(resolve, 600_000));
});
test.run();
`;

test("an interrupted run ends what it started and says so", async () => {
  await withProject({ waiting }, async (folder) => {
    const main = join(root, "dist/scripts/testing/main.js");
    const runner = spawn(process.execPath, [main, "--root", folder]);
    let output = "";
    runner.stdout.setEncoding("utf8").on("data", (text: string) => (output += text));
    const sleeper = join(folder, "sleeper");
    let pid = "";
    for (let tries = 0; tries < 200 && pid === ""; tries++) {
      await delay(50);
      if (existsSync(sleeper)) pid = readFileSync(sleeper, "utf8");
    }
    assert.match(pid, /^\d+$/);
    runner.kill("SIGTERM");
    const [code] = (await once(runner, "close")) as [number | null];
    assert.is(code, 1);
    assert.match(output, /Interrupted before the end/);
    assert.is(output.trimEnd().split("\n").at(-1), "0 passed, 2 failed");
    assert.not(existsSync(`/proc/${pid}/fd/0`));
  });
});

test.run();

/** std/watchdog on a server that is updated well, badly at once, and badly after a while. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { sleep } from "../support/target_process.js";
import { assertFailed, assertQuiet, warningsOf, withPatient, type Patient } from "./recipe_run.js";

/** An update of `handle` to a version whose result is `result`. */
function update(name: string, version: number, result: string): string {
  return `update ${name} {
    patch p {
      c {
        extern volatile int version;
        static int calls;
        long handle(long request) { calls++; version = ${version}; return ${result}; }
      }
      replace handle
    }
  }
  `;
}

const good = update("good", 2, "request + request");
const bad = update("bad", 3, "request * 2 + 1");
const late = update("late", 4, "calls < 200 ? request * 2 : 0");
const watch = (name: string): string => `import "std/watchdog"
  let before = errors
  apply ${name}
  print watchdog(${name}, errors - before < 10, 800ms)`;

async function look({ target }: Patient): Promise<Readonly<Record<string, unknown>>> {
  await sleep(50);
  return target.ask("look");
}

test("an update that does well stays, and nothing is said", async () => {
  await withPatient("watchdog", async (patient) => {
    const run = await patient.run(good + watch("good"));
    assert.is(run.done.outcome, "applied", run.finished.stderr);
    assert.equal(warningsOf(run), []);
    assert.is(run.prints[0]?.values[0]?.text, "true");
    const { version, errors } = await look(patient);
    assert.equal([version, errors], [2, 0]);
  });
});

test("one that does badly, at once or later, is rolled back, and the server does well again", async () => {
  await withPatient("watchdog", async (patient) => {
    for (const [script, name] of [
      [bad, "bad"],
      [late, "late"],
    ] as const) {
      const run = await patient.run(script + watch(name));
      assert.is(run.done.outcome, "rolled-back", run.finished.stderr);
      assert.is(run.code, 0);
      assert.is(warningsOf(run).length, 1);
      assert.is(run.prints[0]?.values[0]?.text, "false");
      const after = await look(patient);
      assert.is(after["version"], 1);
      assert.ok(Number(after["errors"]) >= 10);
      const later = await look(patient);
      assert.is(later["errors"], after["errors"]);
      assert.ok(Number(later["requests"]) > Number(after["requests"]));
    }
  });
});

test("only the update that is named is rolled back", async () => {
  await withPatient("watchdog", async (patient) => {
    const run = await patient.run(`${good}${late}apply good\n${watch("late")}`);
    assert.is(run.done.outcome, "applied", run.finished.stderr);
    assert.is((await look(patient))["version"], 2);
  });
});

test("stay_healthy fails, so that updates and what was set are taken back", async () => {
  await withPatient("watchdog", async (patient) => {
    const script = (name: string): string => `import "std/watchdog"
      set queue_length = 7
      apply ${name}
      stay_healthy(errors < 10, 500ms)`;
    assertFailed(await patient.run(bad + script("bad")), "script-failed");
    const back = await look(patient);
    assert.equal([back["version"], back["queue"]], [1, 0]);
    const well = await patient.run(`import "std/watchdog" stay_healthy(queue_length == 0, 300ms)`);
    assertQuiet(well);
  });
});

test("settle waits for a while without a break, and gives up in time", async () => {
  await withPatient("watchdog", async (patient) => {
    const settle = `import "std/watchdog" settle(queue_length < 10, 300ms, 1500ms)`;
    const began = performance.now();
    assertQuiet(await patient.run(settle));
    assert.ok(performance.now() - began >= 300);
    await patient.target.ask("queue 50");
    assertFailed(await patient.run(settle), "script-failed");
    const later = sleep(600).then(() => patient.target.ask("queue 5"));
    const settled = await patient.run(settle);
    assertQuiet(settled);
    await later;
  });
});

test.run();

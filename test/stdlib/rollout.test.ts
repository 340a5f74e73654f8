/** std/rollout on three servers: an update that does well reaches all, one that does badly the first alone. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { JsonRun } from "../interpreter/command.js";
import { LivePlace } from "../interpreter/live_run.js";
import { buildTarget, sleep, withTarget, type TargetProcess } from "../support/target_process.js";
import { assertFailed } from "./recipe_run.js";

const program = buildTarget({ name: "watchdog", sources: ["stdlib/watchdog.c"] });

async function withServers(
  body: (servers: readonly TargetProcess[]) => Promise<void>,
): Promise<void> {
  await withTarget(program, {}, (one) =>
    withTarget(program, {}, (two) => withTarget(program, {}, (three) => body([one, two, three]))),
  );
}

async function roll(
  servers: readonly TargetProcess[],
  statements: string,
  result: string,
): Promise<JsonRun> {
  const place = new LivePlace();
  const script = place.file(
    "rollout.polus",
    `import "std/rollout"
     update next {
       patch p {
         c {
           extern volatile int version;
           long handle(long request) { version = 2; return ${result}; }
         }
         replace handle
       }
     }
     ${statements}`,
  );
  return place.json("run", script, ...servers.flatMap(({ pid }) => ["--pid", String(pid)]));
}

async function versions(servers: readonly TargetProcess[]): Promise<readonly unknown[]> {
  await sleep(50);
  const looks = await Promise.all(servers.map((server) => server.ask("look")));
  return looks.map((look) => look["version"]);
}

test("the first is watched alone before the rest follow", async () => {
  await withServers(async (servers) => {
    // The one in the middle goes first: neither the first nor the last to be asked.
    await servers[1]?.ask("queue 7");
    const seen: (readonly unknown[])[] = [];
    const run = roll(servers, "canary(next, queue_length == 7, errors == 0, 900ms)", "request * 2");
    let over = false;
    void run.finally(() => (over = true));
    while (!over) seen.push(await versions(servers));
    assert.is((await run).done.outcome, "applied", (await run).finished.stderr);
    assert.equal(await versions(servers), [2, 2, 2]);
    assert.ok(
      seen.some((one) => JSON.stringify(one) === "[1,2,1]"),
      JSON.stringify(seen),
    );
  });
});

test("when the first does badly it alone has had the update, and is rolled back", async () => {
  await withServers(async (servers) => {
    await servers[1]?.ask("queue 7");
    const run = await roll(
      servers,
      "canary(next, queue_length == 7, errors == 0, 900ms)",
      "request * 2 + 1",
    );
    assertFailed(run, "script-failed");
    assert.equal(await versions(servers), [1, 1, 1]);
    const errors = await Promise.all(servers.map(async (one) => (await one.ask("look"))["errors"]));
    assert.is(errors[0], 0);
    assert.ok(Number(errors[1]) > 0);
    assert.is(errors[2], 0);
  });
});

test("all or none: one that does badly takes the update back everywhere", async () => {
  await withServers(async (servers) => {
    await servers[2]?.ask("queue 7");
    const condition = "errors == 0 && queue_length == 0";
    const fails = await roll(servers, `all_or_none(next, ${condition}, 500ms)`, "request * 2");
    assertFailed(fails, "script-failed");
    assert.equal(await versions(servers), [1, 1, 1]);
    await servers[2]?.ask("queue 0");
    const holds = await roll(servers, `all_or_none(next, ${condition}, 300ms)`, "request * 2");
    assert.is(holds.done.outcome, "applied", holds.finished.stderr);
    assert.equal(await versions(servers), [2, 2, 2]);
  });
});

test.run();

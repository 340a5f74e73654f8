import { execFileSync } from "node:child_process";
import { setTimeout as delay } from "node:timers/promises";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { buildKvserver, startKvserver, startLoad } from "../../examples/kvserver/demo.js";
import { projectRoot } from "../../scripts/demonstration/polus.js";
import { ask, type Server } from "../../scripts/demonstration/server.js";

let server: Server;
test.before(async () => {
  buildKvserver();
  server = await startKvserver(4);
});
test.after(() => {
  server.process.kill("SIGKILL");
});

const conversations: readonly (readonly [
  what: string,
  exchange: readonly (readonly [string, string])[],
])[] = [
  [
    "values are kept",
    [
      ["SET a one", "+OK"],
      ["GET a", "$one"],
      ["SET a two", "+OK"],
      ["GET a", "$two"],
    ],
  ],
  [
    "values are deleted",
    [
      ["SET b x", "+OK"],
      ["DEL b", "+OK"],
      ["GET b", "_"],
      ["DEL b", "_"],
    ],
  ],
  [
    "numbers add up",
    [
      ["INCR n", ":1"],
      ["INCR n 41", ":42"],
      ["INCR n -2", ":40"],
      ["GET n", "$40"],
    ],
  ],
  [
    "what is no number is refused",
    [
      ["SET t text", "+OK"],
      ["INCR t", "-ERR not a number, or out of range"],
      ["INCR n x", "-ERR bad number"],
    ],
  ],
  [
    "numbers do not overflow",
    [
      ["INCR big 9223372036854775807", ":9223372036854775807"],
      ["INCR big", "-ERR not a number, or out of range"],
    ],
  ],
  [
    "time to live",
    [
      ["SET l x 60000", "+OK"],
      ["EXPIRE l 0", "+OK"],
      ["TTL l", ":-1"],
      ["TTL none", "_"],
    ],
  ],
  [
    "wrong commands are answered",
    [
      ["", "-ERR empty command"],
      ["NONSENSE", "-ERR unknown command"],
      ["GET", "-ERR wrong number of words"],
    ],
  ],
  ["a long key is refused", [[`GET ${"k".repeat(256)}`, "-ERR key too long"]]],
  [
    "a long value is kept whole",
    [
      [`SET v ${"v".repeat(4000)}`, "+OK"],
      ["GET v", `$${"v".repeat(4000)}`],
    ],
  ],
  ["case of commands does not matter", [["ping", "+PONG"]]],
];

for (const [what, exchange] of conversations) {
  test(what, async () => {
    for (const [command, answer] of exchange) assert.is(await ask(server.port, command), answer);
  });
}

test("values end with their time", async () => {
  await ask(server.port, "SET brief x 50");
  assert.is(await ask(server.port, "GET brief"), "$x");
  await delay(80);
  assert.is(await ask(server.port, "GET brief"), "_");
});

test("patterns choose keys", async () => {
  for (const key of ["p:1", "p:2", "p:12", "p:x", "q:1"]) await ask(server.port, `SET ${key} x`);
  const counts = { "p:*": 4, "p:?": 3, "*1": 2, "p:[^1]": 2, "p:\\*": 0, "p:[x]": 1 };
  for (const [pattern, count] of Object.entries(counts)) {
    assert.is(await ask(server.port, `COUNT ${pattern}`), `:${count}`, pattern);
  }
  assert.is(await ask(server.port, "KEYS q:*"), "*1");
});

test("the bug is there: the last character of a range is left out", async () => {
  for (let i = 0; i < 10; i++) await ask(server.port, `SET digit:${i} x`);
  assert.is(await ask(server.port, "COUNT digit:[0-9]"), ":9");
});

test("the patch takes from the program exactly what it says", () => {
  const object = `${projectRoot}/examples/kvserver/build/fix.so`;
  const lines = execFileSync("nm", ["-D", object], { encoding: "utf8" }).split("\n");
  assert.equal(
    lines.filter((line) => / U /.test(line)).map((line) => line.trim().slice(2)),
    ["folded$glob.c", "stats$"],
  );
  assert.ok(lines.some((line) => line.endsWith(" T glob_match")));
});

const pace = { threads: 4, pauseUs: 100 };

test("the load passes on right answers and tells phases apart", async () => {
  const load = startLoad(server.port, pace);
  load.begin("before", "81 81");
  await delay(300);
  load.begin("applying", "81 100");
  await delay(300);
  const phases = await load.end();
  assert.equal(
    phases.map(({ phase, failed }) => [phase, failed]),
    [
      ["before", 0],
      ["applying", 0],
    ],
  );
  assert.ok(phases.every(({ requests, maxUs }) => requests > 50 && maxUs > 0));
});

test("the load notices an answer that the phase does not allow", async () => {
  const load = startLoad(server.port, pace);
  load.begin("updated", "100 100");
  await delay(300);
  const [phase] = await load.end();
  assert.ok(phase !== undefined && phase.failed > 0 && phase.failed < phase.requests);
  assert.match(phase?.firstFailure ?? "", /answered 81, not 100 to 100/);
});

test("the load notices that the server is gone, and ends", async () => {
  const doomed = await startKvserver(2);
  const load = startLoad(doomed.port, pace);
  load.begin("before", "81 81");
  await delay(200);
  doomed.process.kill("SIGKILL");
  await delay(200);
  const [phase] = await load.end();
  assert.ok(phase !== undefined && phase.failed >= pace.threads);
});

test.run();

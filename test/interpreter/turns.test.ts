/** Flows of several processes take turns, sleep side by side, and meet. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { inTurns } from "../../interpreter/run/turns.js";

const never = new AbortController().signal;

test("statements come from each flow in turn", async () => {
  const seen: string[] = [];
  await inTurns(3, async (turn) => {
    for (const statement of ["a", "b"]) {
      seen.push(`${statement}${turn.index}`);
      await turn.next();
    }
  });
  assert.equal(seen, ["a0", "a1", "a2", "b0", "b1", "b2"]);
});

test("sleeps go side by side", async () => {
  const begin = performance.now();
  await inTurns(5, (turn) => turn.pause(60, never));
  assert.ok(performance.now() - begin < 200);
});

test("those that meet wait for all, and the work is done once", async () => {
  const seen: string[] = [];
  const key = {};
  await inTurns(3, async (turn) => {
    seen.push(`before ${turn.index}`);
    if (turn.index === 1) await turn.pause(20, never);
    await turn.meet(key, 0, async (members) => {
      await new Promise((resolve) => setTimeout(resolve, 5));
      seen.push(`met ${members.join(",")}`);
    });
    seen.push(`after ${turn.index}`);
  });
  assert.equal(seen.slice(3), ["met 0,1,2", "after 0", "after 1", "after 2"]);
});

test("flows at different places meet in groups, in their order; one that ended is not waited for", async () => {
  const seen: string[] = [];
  const keys = [{}, {}];
  await inTurns(4, async (turn) => {
    if (turn.index === 3) return;
    await turn.meet(keys[turn.index % 2] ?? {}, 0, async (members) => {
      seen.push(members.join(","));
    });
  });
  assert.equal(seen, ["0,2", "1"]);
});

test("of several groups the one that is furthest behind goes on first", async () => {
  const seen: string[] = [];
  await inTurns(3, async (turn) => {
    const places = turn.index === 1 ? [3, 7, 9] : [9];
    for (const place of places) {
      const key = keysByPlace.get(place) ?? {};
      await turn.meet(key, place, async (members) => {
        seen.push(`${place}: ${members.join(",")}`);
      });
    }
  });
  assert.equal(seen, ["3: 1", "7: 1", "9: 0,1,2"]);
});

const keysByPlace = new Map([3, 7, 9].map((place) => [place, {}]));

test("the first error ends all flows, wherever they wait", async () => {
  const seen: string[] = [];
  const begin = performance.now();
  const failed = inTurns(4, async (turn) => {
    if (turn.index === 0) await turn.pause(60_000, never);
    if (turn.index === 1) await turn.meet({}, 0, async () => {});
    if (turn.index === 2) {
      await turn.pause(10, never);
      throw new Error("it failed");
    }
    await turn.next();
    await turn.pause(60_000, never);
    seen.push("went on");
  });
  try {
    await failed;
    assert.unreachable();
  } catch (error) {
    assert.is(error instanceof Error && error.message, "it failed");
  }
  assert.equal(seen, []);
  assert.ok(performance.now() - begin < 5000);
});

test("an error of the work at a meeting is everybody's", async () => {
  let message = "";
  await inTurns(2, (turn) =>
    turn.meet(inTurns, 0, async () => {
      throw new Error("no");
    }),
  ).catch((error: unknown) => (message = String(error)));
  assert.is(message, "Error: no");
});

test("a signal ends a sleep early", async () => {
  const stop = new AbortController();
  setTimeout(() => stop.abort(), 10);
  const begin = performance.now();
  await inTurns(1, (turn) => turn.pause(60_000, stop.signal));
  assert.ok(performance.now() - begin < 5000);
});

test.run();

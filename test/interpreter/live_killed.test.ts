// timeout 400s
/** polus killed at every fault point of a run with taints: recover leaves all old or all new, repairs included. */
import * as assert from "uvu/assert";
import { test } from "../support/engine_test.js";
import { buildPatch } from "../support/patches.js";
import { judgeVersion, withState } from "./live_state.js";

const script = `update newer {
  target { exe "state" }
  patch one from "${buildPatch("state.c")}" { replace judge }
  patch two from "${buildPatch("state.c", ["-DSECOND"])}" after one { replace judge with judge_third }
  taint number before one {
    check   plain_number <= 100
    recover { set plain_number = 100 }
  }
  taint small before two {
    check   small < 6
    recover { set small = 3 }
  }
}`;
const mostPoints = 400;
/** Up to about this point the patches are only mapped: a few of them will do. */
const lastOfStaging = 30;

/** Where a fresh process stands after polus was killed at that point and somebody recovered; null: it was not. */
function after(point: number): Promise<string | null> {
  let stands: string | null = null;
  return withState(async (state) => {
    const pid = String(state.pid);
    await state.target.ask("number 4711");
    const run = state.start(script, { POLUS_FAULT: String(point) });
    const { signal, code, stdout } = await run.finished;
    if (signal === null) {
      assert.is(code, 0, stdout);
      return;
    }
    assert.is(signal, "SIGKILL");
    const recovered = await state.place.json("recover", "--pid", pid);
    const told = `point ${point}: ${recovered.finished.stdout}`;
    assert.is(recovered.code, 0, told);
    const shown = await state.show();
    stands = [await judgeVersion(state), shown["plain_number"], shown["small"]].join(" ");
    assert.ok(["old 4711 6", "third 100 3"].includes(stands), `${stands} after ${told}`);
    const again = await state.place.json("recover", "--pid", pid);
    assert.is(again.done.outcome, "skipped");
  }).then(() => stands);
}

test("killed at every fault point, then recovered", async () => {
  const ends = new Map<string, number>();
  let point = 1;
  for (; point <= mostPoints; point += point < lastOfStaging ? 4 : 1) {
    const stands = await after(point);
    if (stands === null) break;
    ends.set(stands, (ends.get(stands) ?? 0) + 1);
  }
  console.log(
    `up to fault point ${point - 1}: ${[...ends].map(([end, times]) => `${times} ${end}`).join(", ")}`,
  );
  assert.ok(point <= mostPoints);
  assert.equal([...ends.keys()].sort(), ["old 4711 6", "third 100 3"]);
});

test.run();

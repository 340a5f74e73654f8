/** `polus check` with a program's types: nothing against right uses of recipes, and wrong ones told at the caller. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { LivePlace } from "../interpreter/live_run.js";
import type { JsonRun } from "../interpreter/command.js";
import { buildTarget } from "../support/target_process.js";

const right: Readonly<Record<string, string>> = {
  counters: `keep_within(credits, 0, 100)
    recount(num_children, children().length, 200ms)
    free_slots(slots, owner, 100ms)
    print has_child(slots[0].owner)`,
  lists: `mend_end(jobs, next, NULL)
    mend_end(&ring, entry.next, &ring)
    mend_back_links(sessions, next, prev, NULL)
    mend_back_links(&ring, entry.next, entry.prev, &ring)
    assert contains(list(jobs, next), jobs->next) && list_ends(jobs, next, NULL)`,
  strings: `terminate_all(users, name)
    terminate(texts.banner, sizeof(texts.banner))
    terminate(heap, 24)
    replace_endless(texts.path, "/default")`,
  descriptors: `assert !leaks_descriptors("any", 10, 1s) && open_on("/log") == 1
    close_lost("/log", log_fd)`,
  waits: `drain(in_progress, 50ms, 5s)
    quiesce(handle_request, 100ms, 5s)
    print threads_inside(handle_request)`,
  watchdog: `let before = errors
    if (!watchdog(good, errors - before < 10, 1s)) { stay_healthy(queue_length < 10, 1s) }
    settle(queue_length < 10, 300ms, 1500ms)
    apply good
    update good {
      patch p { c { long handle(long request) { return request + request; } } replace handle }
    }`,
};

/** Library and script, then `CODE@LINE:COLUMN` of what is told: in the script where its words are wrong. */
const wrong: readonly (readonly [string, string, string])[] = [
  ["counters", "keep_within(credit, 0, 100)", "unknown-name@2:13"],
  ["counters", "free_slots(slots, ownr, 1s)", "unknown-member@2:19"],
  ["lists", "mend_end(jobs, prev, NULL)", "unknown-member@2:16"],
  ["lists", "mend_end(&ring, entry.forward, &ring)", "unknown-member@2:23"],
  ["waits", "drain(in_progress, 50, 5s)", "wrong-operand@"],
];

function check(library: string, script: string): Promise<JsonRun> {
  const exe = buildTarget({ name: library, sources: [`stdlib/${library}.c`] });
  const place = new LivePlace();
  const file = place.file("s.polus", `import "std/${library}"\n${script}\n`);
  return place.json("check", file, "--exe", exe);
}

for (const [library, script] of Object.entries(right)) {
  test(`std/${library} fits the types of a program that it is meant for`, async () => {
    const run = await check(library, script);
    assert.equal(run.diagnostics, [], run.finished.stderr);
    assert.is(run.code, 0);
  });
}

for (const [library, script, place] of wrong) {
  test(`told: ${script}`, async () => {
    const run = await check(library, script);
    assert.ok(run.code === 1 || run.code === 2, String(run.code));
    assert.ok(
      run.places.some((found) => found.startsWith(place)),
      run.places.join(),
    );
  });
}

test.run();

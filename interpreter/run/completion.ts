/**
 * `complete within`: waits until no thread is inside old code of an update, or
 * the time is out. Looking at stacks costs the target a little, so the looks
 * come at growing intervals.
 */
import type { ActiveFrame, Session } from "../../native/engine.js";
import type { UpdatePlan } from "../plan/plan.js";
import type { RunContext } from "./context.js";

const firstIntervalMs = 5;
const intervalGrowth = 1.6;
const defaultLongestIntervalMs = 500;

/** The update is active and stays so, whatever comes out here: a problem while looking is a warning. */
export async function waitForCompletion(
  context: RunContext,
  session: Session,
  update: UpdatePlan,
  withinMs: number,
): Promise<void> {
  const { tally, reporter, interruption, settings } = context;
  const longest = settings.completion_poll_max_ms ?? defaultLongestIntervalMs;
  const deadline = performance.now() + withinMs;
  const told = new Set<string>();
  let interval = firstIntervalMs;
  for (;;) {
    let frames: readonly ActiveFrame[];
    try {
      frames = await session.complete(update.name);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      tally.warn(`whether ${update.name} is complete could not be seen: ${reason}`);
      tally.completion = "pending";
      return;
    }
    if (frames.length === 0) {
      reporter.progress({ event: "complete", update: update.name });
      tally.completion ??= "complete";
      return;
    }
    for (const { pid, tid, function: name } of frames) {
      const key = `${pid} ${tid} ${name}`;
      if (told.has(key)) continue;
      told.add(key);
      reporter.progress({ event: "completing", pid, tid, function: name });
    }
    const left = deadline - performance.now();
    if (left <= 0 || interruption.requestedBy !== null) {
      tally.completion = "pending";
      tally.heldBy = [
        ...tally.heldBy,
        ...frames.map(({ pid, tid, function: name }) => ({ pid, tid, function: name })),
      ];
      if (left > 0) tally.warn(`waiting for completion of ${update.name} was stopped`);
      return;
    }
    await interruption.sleep(Math.min(interval, left));
    interval = Math.min(longest, interval * intervalGrowth);
  }
}

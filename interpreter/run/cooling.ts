/**
 * After an update of data whose old functions still run: stores that are caught again and again are made direct
 * ones for as long as more of them show, so that a busy program is left as fast as it can be.
 */
import type { Session, UpdateRequest } from "../../native/engine.js";
import type { RunContext } from "./context.js";

const intervalMs = 100;
/** A program that goes on finding new places is left to whoever comes next. */
const longestMs = 3_000;

/** The update is active and stays so, whatever comes out here. */
export async function coolDown(
  { interruption, tally }: RunContext,
  session: Session,
  scope: UpdateRequest["scope"],
): Promise<void> {
  const deadline = performance.now() + longestMs;
  try {
    // Only a second look can tell what is on its way.
    for (let look = 0; ; look++) {
      const heat = await session.rewriteHot(scope);
      if (heat === "plain" || (heat === "cold" && look > 0)) return;
      if (interruption.requestedBy !== null || performance.now() > deadline) return;
      await interruption.sleep(intervalMs);
    }
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    tally.warn(`stores that are caught often could not be made direct ones: ${reason}`);
  }
}

/** Runs operations of the real engine on a target, and looks at what came of them. */
import * as assert from "uvu/assert";
import {
  EngineError,
  type Engine,
  type EngineEvent,
  type OperationResult,
  type Session,
  type UpdateRequest,
} from "../../native/engine.js";
import { createEngine } from "../../native/native_engine.js";
import { threadStates, tracers } from "./proc.js";
import { sleep, type TargetProcess, type TargetState } from "./target_process.js";

/** One engine a test process. */
export const engine: Engine = createEngine();

/** Opens a session, runs `body`, and closes it whatever happens. */
export async function withSession<T>(
  pids: number | readonly number[],
  body: (session: Session, events: readonly EngineEvent[]) => Promise<T>,
): Promise<T> {
  const events: EngineEvent[] = [];
  const session = await engine.open(typeof pids === "number" ? [pids] : pids, (event) =>
    events.push(event),
  );
  try {
    return await body(session, events);
  } finally {
    await session.close();
  }
}

/** Applies an update in a session of its own. */
export async function apply(
  pids: number | readonly number[],
  update: UpdateRequest,
): Promise<OperationResult> {
  return await withSession(pids, (session) => session.apply(update));
}

/** Rolls back in a session of its own. */
export async function rollback(
  pids: number | readonly number[],
  to?: { readonly update: string; readonly point: string },
): Promise<OperationResult> {
  return await withSession(pids, (session) => session.rollback(to));
}

/** Waits for the rejection that must come, and checks its code and kind. */
export async function refused(
  attempt: Promise<unknown>,
  codes: string | readonly string[],
  kind: EngineError["kind"] = "refused",
): Promise<EngineError> {
  const accepted = typeof codes === "string" ? [codes] : codes;
  let outcome: unknown;
  try {
    await attempt;
  } catch (error) {
    outcome = error;
  }
  if (outcome === undefined) throw new Error(`was not refused with ${accepted.join(" or ")}`);
  if (!(outcome instanceof EngineError)) throw outcome;
  assert.ok(
    accepted.includes(outcome.code),
    `code ${outcome.code} (${outcome.message}) is not ${accepted.join(" or ")}`,
  );
  assert.is(outcome.kind, kind, `${outcome.code}: ${outcome.message}`);
  assert.ok(outcome.message.length > 10, "the message says too little");
  return outcome;
}

export type Version = "old" | "new" | "newer";

/**
 * Requires that calls begun from now on reach `version` only, for the named
 * probes (default: all), and that the target has found no violation.
 */
export async function expectVersion(
  target: TargetProcess,
  version: Version,
  probes?: readonly string[],
): Promise<TargetState> {
  await target.ask("reset");
  const deadline = Date.now() + 10_000;
  for (;;) {
    await sleep(60);
    const state = await target.state();
    assert.is(state.errors, 0, state.firstError ?? "");
    const names = probes ?? Object.keys(state.probes);
    const silent = names.filter((name) => {
      const counts = state.probes[name];
      if (counts === undefined) throw new Error(`the target has no probe ${name}`);
      for (const other of ["old", "new", "newer"] as const) {
        if (other === version) continue;
        assert.is(counts[other], 0, `${name} reached ${other} instead of ${version}`);
      }
      return counts[version] === 0;
    });
    if (silent.length === 0) return state;
    if (Date.now() > deadline) throw new Error(`not called: ${silent.join(", ")}`);
  }
}

/**
 * The usual life of an update: old, applied, new, rolled back, old; then the
 * same once more, since the image is still there.
 */
export async function roundTrip(
  target: TargetProcess,
  update: UpdateRequest,
  probes?: readonly string[],
): Promise<void> {
  await expectVersion(target, "old", probes);
  for (let round = 0; round < 2; round++) {
    const applied = await apply(target.pid, update);
    assert.is(applied.result, "done");
    await expectVersion(target, "new", probes);
    const status = await engine.status(target.pid);
    assert.is(status?.updates.at(-1)?.name, update.name);
    assert.is(status?.updates.at(-1)?.state, "active");
    const back = await rollback(target.pid);
    assert.is(back.result, "done");
    await expectVersion(target, "old", probes);
  }
  expectUntraced(target);
  assert.equal(target.parentSaw, [], "its parent saw our stops");
}

/** Nobody may be attached, and no thread stopped, once an operation is over. */
export function expectUntraced(target: TargetProcess): void {
  assert.equal(tracers(target.pid), [], "a thread is still traced");
  assert.not.ok(threadStates(target.pid).includes("t"), "a thread is still held");
}

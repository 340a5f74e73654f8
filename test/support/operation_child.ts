/**
 * Runs one operation of the engine in a process of its own, for tests that kill
 * it, stop it or take its privileges away, and for benches:
 *
 *   node operation_child.js REQUEST
 *
 * REQUEST is the JSON of an OperationSpec. Says READY once it is loaded, begins
 * at a byte on standard input, then prints a line of JSON, an OperationReport;
 * the exit code is 0 even when the engine refused.
 */
import { once } from "node:events";
import { EngineError, type EngineEvent, type UpdateRequest } from "../../native/engine.js";
import { createEngine } from "../../native/native_engine.js";
import type { OperationReport, OperationSpec, UpdateSpec } from "./operation.js";
import { patch, update } from "./patches.js";

function request(spec: UpdateSpec): UpdateRequest {
  return update(
    spec.name,
    spec.patches.map((one) => patch(one.name, one.object, one.replacements)),
    { scope: spec.scope },
  );
}

async function run(spec: OperationSpec): Promise<OperationReport> {
  const engine = createEngine();
  const events: { event: EngineEvent["event"]; ms: number }[] = [];
  const begin = performance.now();
  const session = await engine.open(spec.pids, ({ event }) =>
    events.push({ event, ms: performance.now() - begin }),
  );
  try {
    const result =
      spec.operation === "apply"
        ? await session.apply(request(spec.update))
        : spec.operation === "rollback"
          ? await session.rollback()
          : await session.recover();
    const { stallUsMax, stoppedThreadsMax } = result;
    return {
      result: result.result,
      stallUsMax,
      stoppedThreadsMax,
      durationMs: performance.now() - begin,
      events,
    };
  } finally {
    await session.close();
  }
}

async function main(): Promise<void> {
  const spec = JSON.parse(process.argv[2] ?? "") as OperationSpec;
  if (spec.user !== undefined) {
    process.setgroups?.([]);
    process.setgid?.(spec.user);
    process.setuid?.(spec.user);
  }
  process.stdout.write("READY\n");
  await once(process.stdin, "data");
  process.stdin.destroy();
  let report: OperationReport;
  try {
    report = await run(spec);
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    report = { result: "error", code: error.code, kind: error.kind, message: error.message };
  }
  process.stdout.write(`${JSON.stringify(report)}\n`);
}

await main();

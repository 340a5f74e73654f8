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
import type { Address } from "../../native/address.js";
import {
  EngineError,
  type EngineEvent,
  type OperationResult,
  type Session,
  type UpdateRequest,
} from "../../native/engine.js";
import { createEngine } from "../../native/native_engine.js";
import { boxItems } from "./box.js";
import { ledgerItem, sessionItem } from "./ledger.js";
import type { OperationReport, OperationSpec, UpdateSpec } from "./operation.js";
import { patch, update } from "./patches.js";

const items = { ledger: [ledgerItem, sessionItem], box: boxItems };

function request(spec: UpdateSpec): UpdateRequest {
  return update(
    spec.name,
    spec.patches.map((one) =>
      patch(one.name, one.object, one.replacements, one.data === undefined ? [] : items[one.data]),
    ),
    { scope: spec.scope },
  );
}

/** A call or a write, in terms of an operation's report. */
async function inspect(
  session: Session,
  spec: OperationSpec & { readonly operation: "call" | "write" },
): Promise<OperationResult> {
  const look = await session.inspect(spec.pids[0] ?? 0);
  const addressOf = (name: string): Address => {
    const entity = look.entity({ name });
    if (entity.kind === "function") return entity.address;
    if (entity.kind === "variable" && entity.storage.kind === "static")
      return entity.storage.address;
    throw new Error(`${name} has no address`);
  };
  let heldUs: number;
  if (spec.operation === "call") {
    const request = { arguments: [], variadic: false, timeLimitMs: 5000 };
    ({ heldUs } = await look.call({ function: addressOf(spec.function), ...request }));
  } else {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64LE(BigInt(spec.value));
    const changes = spec.variables.map((name) => ({ address: addressOf(name), bytes }));
    ({ heldUs } = await look.writeTogether(changes));
  }
  const count = { functions: 0, patches: 0, stoppedThreadsMax: 0 };
  return { result: "done", pids: spec.pids, stallUsMax: heldUs, ...count };
}

/** A completion, in terms of an operation's report. */
async function complete(session: Session, update: string): Promise<OperationResult> {
  const holds = await session.complete(update);
  const result = holds.length === 0 ? "done" : "skipped";
  return { result, pids: [], functions: 0, patches: 0, stallUsMax: 0, stoppedThreadsMax: 0 };
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
          : spec.operation === "recover"
            ? await session.recover()
            : spec.operation === "complete"
              ? await complete(session, spec.name)
              : await inspect(session, spec);
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

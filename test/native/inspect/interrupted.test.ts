// exclusive
// timeout 600s
/** The engine is killed, or stopped, at every fault point of a call and of a write. */
import * as assert from "uvu/assert";
import { expectUntraced, withSession } from "../../support/engine_session.js";
import { test } from "../../support/engine_test.js";
import {
  type OperationEnding,
  type OperationSpec,
  prepareOperation,
  runOperation,
} from "../../support/operation.js";
import { threadStates } from "../../support/proc.js";
import { blockedProgram, registersProgram } from "../../support/programs.js";
import {
  buildTarget,
  sleep,
  type TargetProcess,
  withTarget,
} from "../../support/target_process.js";

const mostPoints = 200;

/**
 * Tries fault points 1, 2, 3… until an operation gets through before its point is reached;
 * returns the number of points. The target checks itself, and must be clean at its end.
 */
async function atEveryPoint(attempt: (point: number) => Promise<boolean>): Promise<number> {
  for (let point = 1; point <= mostPoints; point++) if (!(await attempt(point))) return point - 1;
  throw new Error("there is no end to the fault points");
}

/** A call still works, so nobody stayed behind in somebody else's registers. */
async function expectCallable(target: TargetProcess): Promise<void> {
  expectUntraced(target);
  await withSession(target.pid, async (session) => {
    const look = await session.inspect(target.pid);
    const entity = look.entity({ name: "target_now_ns" });
    if (entity.kind !== "function") throw new Error("no function");
    const request = { arguments: [], variadic: false, timeLimitMs: 5000 };
    const { integers } = await look.call({ function: entity.address, ...request });
    assert.ok(integers[0] > 0n);
  });
}

async function killedAt(operation: OperationSpec, point: number): Promise<boolean> {
  const ending = await runOperation(operation, { fault: String(point) });
  if (ending.signal === null) {
    if (ending.report?.result === "error") throw new Error(ending.report.message);
    return false;
  }
  assert.is(ending.signal, "SIGKILL");
  return true;
}

for (const [name, program] of [
  ["blocked in system calls", blockedProgram()],
  ["with values in all registers", registersProgram()],
] as const) {
  test(`killed at every fault point of a call, on threads ${name}`, async () => {
    await withTarget(program, {}, async (target) => {
      const request: OperationSpec = {
        operation: "call",
        pids: [target.pid],
        function: "target_now_ns",
      };
      const points = await atEveryPoint(async (point) => {
        const fell = await killedAt(request, point);
        await expectCallable(target);
        return fell;
      });
      assert.ok(points >= 20, `only ${points} fault points`);
    });
  });
}

test("stopped at every fault point of a call: the target goes on", async () => {
  await withTarget(registersProgram(), {}, async (target) => {
    const request: OperationSpec = {
      operation: "call",
      pids: [target.pid],
      function: "target_now_ns",
    };
    const points = await atEveryPoint(async (point) => {
      const operation = await prepareOperation(request, { fault: `${point}:stop` });
      let ending: OperationEnding | null = null;
      const run = operation.run().then((result) => (ending = result));
      while (ending === null && !threadStates(operation.pid).includes("T")) await sleep(10);
      if (ending !== null && (await run).signal === null) return false;
      await sleep(20);
      operation.kill();
      await run;
      await expectCallable(target);
      return true;
    });
    assert.ok(points >= 20, `only ${points} fault points`);
  });
});

test("killed at every fault point of a write: all words before it are written, none after", async () => {
  const program = buildTarget({ name: "moments" });
  const variables = ["pair_second", "pair_first"];
  await withTarget(program, { args: ["--watch"] }, async (target) => {
    const seen = new Set<string>();
    const points = await atEveryPoint(async (point) => {
      const value = point + 10;
      const operation: OperationSpec = { operation: "write", pids: [target.pid], variables, value };
      const fell = await killedAt(operation, point);
      expectUntraced(target);
      await withSession(target.pid, async (session) => {
        const look = await session.inspect(target.pid);
        const words = variables.map((name) => {
          const entity = look.entity({ name });
          if (entity.kind !== "variable" || entity.storage.kind !== "static")
            throw new Error("no variable");
          const bytes = Buffer.from(look.readSome(entity.storage.address, 8));
          return bytes.readBigUInt64LE() === BigInt(value);
        });
        seen.add(words.join(" "));
        // In the order asked: the second word is never written without the first.
        assert.ok(words[0] || !words[1]);
      });
      return fell;
    });
    assert.ok(points >= 4, `only ${points} fault points`);
    assert.ok(seen.has("false false") && seen.has("true true"), [...seen].join(", "));
  });
});

test.run();

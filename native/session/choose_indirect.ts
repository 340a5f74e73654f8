/** Planning for a process whose IFUNCs may not be resolved yet: their choosers are run on a borrowed thread. */
import type { TracerHandle } from "../addon/addon.js";
import { address } from "../address.js";
import { EngineError } from "../engine.js";
import { callFunction } from "../inspect/call.js";
import { NotChosenYet } from "../resolve/ifunc.js";
import type { TargetProcess } from "./target_process.js";

/** The dynamic loader runs them with its lock held: they are quick, or no program would start. */
const timeLimitMs = 5000;

/**
 * What `plan` returns, once every IFUNC that it needs is resolved in the process. A chooser takes no
 * arguments and may be run by any thread, whenever that makes a first call.
 * @param tracer null: nothing is to be run in the process, and the plan is only looked at
 * @throws EngineError of the plan and of `callFunction`; refused UNRESOLVED_IMPORT if a chooser says nonsense
 */
export async function planChoosing<T>(
  tracer: TracerHandle | null,
  process: TargetProcess,
  plan: () => T,
): Promise<T> {
  for (;;) {
    try {
      return plan();
    } catch (error) {
      if (!(error instanceof NotChosenYet)) throw error;
      if (tracer === null) process.indirect.presume(error.chooser);
      else await choose(tracer, process, error);
    }
  }
}

async function choose(
  tracer: TracerHandle,
  process: TargetProcess,
  { owner, chooser, details: { subject } }: NotChosenYet,
): Promise<void> {
  const { integers } = await callFunction(tracer, process, {
    function: address(chooser),
    arguments: [],
    variadic: false,
    timeLimitMs,
  });
  if (process.indirect.note(owner, chooser, BigInt.asUintN(64, integers[0]))) return;
  throw new EngineError(
    "UNRESOLVED_IMPORT",
    "refused",
    `the function that chooses ${subject ?? "an IFUNC"} has named none of ${owner.path}`,
    { pid: process.pid, ...(subject === undefined ? {} : { subject }) },
  );
}

/**
 * The three operations that write to processes, each with its journal records,
 * its figures and the mark "touched". Nothing else calls them on a session.
 */
import type { ApplyStep, OperationResult, Session, UpdateRequest } from "../../native/engine.js";
import { EngineError } from "../../native/engine.js";
import type { JournalEntry } from "../journal.js";
import type { RunContext } from "./context.js";

type OperationBegin = Extract<JournalEntry, { record: "operation-begin" }>;
type JournaledResult = Extract<JournalEntry, { record: "operation-end" }>["result"];

/** Applies an update to all processes of the session. On an engine's error all is as before (unless it says otherwise). */
export function applyUpdate(
  context: RunContext,
  session: Session,
  pids: readonly number[],
  request: UpdateRequest,
  step?: ApplyStep,
): Promise<OperationResult> {
  return perform(
    context,
    {
      record: "operation-begin",
      operation: "apply",
      pids,
      update: request.name,
      point: null,
      patches: request.patches.map((patch) => ({
        name: patch.name,
        digest: patch.digest,
        functions: patch.replacements.map((replacement) => replacement.function),
      })),
    },
    "asked",
    () => session.apply(request, step),
  );
}

export type RollbackResult = Awaited<ReturnType<Session["rollback"]>>;

/** Takes updates back to a point; without one, the newest active update to its start. */
export function rollBack(
  context: RunContext,
  session: Session,
  pids: readonly number[],
  to: { readonly update: string; readonly point: string } | null,
  kind: "asked" | "on-the-way",
): Promise<RollbackResult> {
  return perform(
    context,
    {
      record: "operation-begin",
      operation: "rollback",
      pids,
      update: to?.update ?? null,
      point: to?.point ?? null,
      patches: [],
    },
    kind,
    () => (to === null ? session.rollback() : session.rollback(to)),
  );
}

/** Finishes or undoes an interrupted run. */
export function recoverSession(
  context: RunContext,
  session: Session,
  pids: readonly number[],
  kind: "asked" | "on-the-way",
): Promise<OperationResult> {
  return perform(
    context,
    {
      record: "operation-begin",
      operation: "recover",
      pids,
      update: null,
      point: null,
      patches: [],
    },
    kind,
    () => session.recover(),
  );
}

async function perform<Result extends OperationResult>(
  context: RunContext,
  begin: OperationBegin,
  kind: "asked" | "on-the-way",
  operation: () => Promise<Result>,
): Promise<Result> {
  const { tally, journal } = context;
  const { operation: name, pids, update, point } = begin;
  journal.append(begin);
  const end = (
    result: JournaledResult,
    functions: number,
    stallUsMax: number,
    error: { readonly code: string; readonly message: string } | null,
  ): void => {
    journal.append({
      record: "operation-end",
      operation: name,
      pids,
      update,
      point,
      result,
      functions,
      stall_us_max: stallUsMax,
      error,
    });
  };
  const before = tally.touched;
  tally.touched = true;
  try {
    const result = await operation();
    if (result.result === "skipped") tally.touched = before;
    tally.add(result, kind);
    end(result.result, result.functions, result.stallUsMax, null);
    return result;
  } catch (error) {
    if (error instanceof EngineError) {
      // The engine's promise: refused and failed leave every process as it was before the operation.
      if (error.kind !== "inconsistent") tally.touched = before;
      end(error.kind, 0, 0, { code: error.code, message: error.message });
    } else {
      const message = error instanceof Error ? error.message : String(error);
      end("inconsistent", 0, 0, { code: "INTERNAL", message });
    }
    throw error;
  }
}
